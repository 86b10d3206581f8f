import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { cleanup, renderHook, waitFor } from "@testing-library/react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { forgetCredential, keepCredential } from "../../src/api/credential";
import { useFollowing } from "../../src/session/following";
import { FakeServer } from "./fakeServer";

const server = new FakeServer();

beforeEach(() => {
  vi.stubGlobal("fetch", server.fetch);
});

afterEach(() => {
  cleanup();
  forgetCredential();
  vi.unstubAllGlobals();
});

it("a session is followed with another key, and no longer when its screen has gone", async () => {
  keepCredential("old", false);
  const queries = new QueryClient();
  const { unmount } = renderHook(() => useFollowing("session_1"), {
    wrapper: ({ children }) => (
      <QueryClientProvider client={queries}>{children}</QueryClientProvider>
    ),
  });
  await waitFor(() => expect(server.open).toBe(1));

  keepCredential("new", false);
  await waitFor(() => expect(server.credentials.at(-1)).toBe("Bearer new"));
  await waitFor(() => expect(server.open).toBe(1));

  unmount();
  expect(server.open).toBe(0);
});
