import { onlineManager, QueryClientProvider, useQuery } from "@tanstack/react-query";
import { act, cleanup, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Failure } from "../src/api/failures";
import { newQueryClient, pauseMs } from "../src/api/queryClient";
import { State } from "../src/parts/State";

const BUSY = new Failure("UNAVAILABLE", "The registry is being restarted.", 503, 5);

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  cleanup();
  vi.useRealTimers();
  onlineManager.setOnline(true);
});

function List({ read }: { read: () => Promise<string[]> }) {
  const query = useQuery({ queryKey: ["list"], queryFn: read });
  return <State query={query}>{(list) => <p>{list.join(", ")}</p>}</State>;
}

/** Show a list that is read by `read`. */
function show(read: () => Promise<string[]>) {
  render(
    <QueryClientProvider client={newQueryClient()}>
      <List read={read} />
    </QueryClientProvider>,
  );
}

async function pass(milliseconds: number) {
  await act(() => vi.advanceTimersByTimeAsync(milliseconds));
}

describe("a list of a server that is busy", () => {
  it("says so after a second, with the time of the next attempt, and comes by itself", async () => {
    const read = vi.fn(async () => ["a clerk"]).mockRejectedValueOnce(BUSY);
    show(read);

    await pass(500);
    expect(screen.queryByText(/Busy or starting/)).toBeNull();
    await pass(1000);
    const notice = screen.getByText(/Busy or starting/).parentElement?.textContent;
    expect(notice).toContain("The registry is being restarted.");
    expect(notice).toContain("Asked again in 4 s.");

    await pass(4000);
    expect(screen.getByText("a clerk")).toBeDefined();
    expect(screen.queryByText(/Busy or starting/)).toBeNull();
  });

  it("is asked for as long as it takes", async () => {
    const read = vi.fn(async () => ["a clerk"]);
    for (let time = 0; time < 20; time++) read.mockRejectedValueOnce(BUSY);
    show(read);
    await pass(20 * 5000 + 100);
    expect(screen.getByText("a clerk")).toBeDefined();
  });

  it("is not asked again for what it refuses", async () => {
    const read = vi.fn().mockRejectedValue(new Failure("FORBIDDEN", "You may not.", 403));
    show(read);
    await pass(60_000);
    expect(read).toHaveBeenCalledTimes(1);
    expect(screen.getByRole("alert").textContent).toContain("You may not.");
  });
});

it("a browser without a network still asks a server on its own machine", async () => {
  onlineManager.setOnline(false);
  show(async () => ["a clerk"]);
  await pass(10);
  expect(screen.getByText("a clerk")).toBeDefined();
});

describe("the pause before the next attempt", () => {
  it("is what the server says", () => {
    expect(pauseMs(1, BUSY)).toBe(5000);
  });

  it("is never none, even if the server says so", () => {
    expect(pauseMs(1, new Failure("UNAVAILABLE", "Busy.", 503, 0))).toBe(500);
  });

  it.each([
    [1, 500],
    [2, 1000],
    [4, 4000],
    [9, 10_000],
  ])("after failure %i is %i ms, if it says nothing", (failures, pause) => {
    expect(pauseMs(failures, new Failure("UNREACHABLE", "", 0))).toBe(pause);
  });
});
