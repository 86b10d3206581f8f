import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, describe, expect, it } from "vitest";
import type { Schemas } from "../src/api/client";
import { Title } from "../src/session/Title";

const SESSION = { id: "session_1", title: "A talk" } as Schemas["Session"];

afterEach(cleanup);

/** Show the title of a session, in a field, next to another field. */
function edited() {
  render(
    <QueryClientProvider client={new QueryClient()}>
      <Title session={SESSION} />
      <textarea aria-label="Message" />
    </QueryClientProvider>,
  );
  fireEvent.click(screen.getByRole("button", { name: "A talk" }));
  return screen.getByRole("textbox", { name: "Title" });
}

describe("the title of a session", () => {
  it("has the focus again after Escape in its field", () => {
    fireEvent.keyDown(edited(), { key: "Escape" });
    expect(document.activeElement).toBe(screen.getByRole("button", { name: "A talk" }));
  });

  it("leaves the focus where the user went on", () => {
    edited();
    const message = screen.getByRole("textbox", { name: "Message" });
    act(() => message.focus());
    expect(screen.getByRole("button", { name: "A talk" })).toBeDefined();
    expect(document.activeElement).toBe(message);
  });

  it("is not saved by the Enter that ends a character's composition", () => {
    const field = edited();
    fireEvent.keyDown(field, { key: "Enter", isComposing: true });
    expect(field.isConnected).toBe(true);
  });
});
