import { cleanup, render, screen, waitFor } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Turns } from "../../src/session/chat/Turns";
import { FollowedSession } from "../../src/session/followed";
import { SessionFollower } from "../../src/session/follower";
import { delta, LogWriter } from "./events";
import { FakeServer } from "./fakeServer";

let server: FakeServer;
let log: LogWriter;
let follower: SessionFollower;

beforeEach(async () => {
  server = new FakeServer();
  log = new LogWriter().turns(20).begin("Tell me");
  server.log = log.events;
  follower = new SessionFollower({
    sessionId: "session_1",
    headers: () => ({}),
    fetch: server.fetch,
    nextFrame: (draw) => {
      queueMicrotask(draw);
      return () => undefined;
    },
  });
  follower.start();
  render(
    <FollowedSession sessionId="session_1" follower={follower}>
      <Turns />
    </FollowedSession>,
  );
  await waitFor(() => expect(server.open).toBe(1));
  await waitFor(() => expect(screen.getAllByRole("article")).toHaveLength(41));
});

afterEach(() => {
  follower.stop();
  cleanup();
});

function written(): HTMLElement {
  const answer = screen.getAllByRole("article").at(-1);
  if (!answer) throw new Error("nothing is written");
  return answer;
}

describe("an answer that is written", () => {
  it("changes nothing but its own last block", async () => {
    await server.send(delta("message_new", 0, "One.\n\nTwo"));
    await waitFor(() => expect(written().textContent).toContain("Two"));
    const touched: Node[] = [];
    const observer = new MutationObserver((changes) => {
      touched.push(...changes.map(({ target }) => target));
    });
    observer.observe(document.body, { childList: true, characterData: true, subtree: true });
    await server.send(delta("message_new", 9, " and more"));
    await waitFor(() => expect(written().textContent).toContain("Two and more"));
    observer.disconnect();
    const [first, second] = written().querySelectorAll("p");
    expect(touched.length).toBeGreaterThan(0);
    expect(touched.every((node) => second?.contains(node))).toBe(true);
    expect(first?.textContent).toBe("One.");
  });

  it("keeps its elements when it is finished", async () => {
    await server.send(delta("message_new", 0, "One.\n\nTwo."));
    await waitFor(() => expect(written().querySelectorAll("p")).toHaveLength(2));
    expect(written().getAttribute("aria-busy")).toBe("true");
    const article = written();
    const [first] = article.querySelectorAll("p");
    await server.send(log.answer("message_new", "One.\n\nTwo.").last);
    await waitFor(() => expect(written().getAttribute("aria-busy")).toBe("false"));
    expect(written()).toBe(article);
    expect(written().querySelector("p")).toBe(first);
    expect(written().textContent).toContain("p/m");
  });
});
