/** Following a session over a server that loses connections, hides events and goes away. */

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { SessionFollower } from "../../src/session/follower";
import { EMPTY, withEvents } from "../../src/session/log/fold";
import type { LogEvent } from "../../src/session/log/wire";
import type { Followed } from "../../src/session/snapshot";
import { delta, LogWriter } from "./events";
import { FakePage, FakeServer } from "./fakeServer";

const HIDDEN_AFTER_MS = 30_000;

let server: FakeServer;
let page: FakePage;
let frames: (() => void)[];
let follower: SessionFollower;

beforeEach(() => {
  vi.useFakeTimers({ now: 1_800_000_000_000 });
  vi.spyOn(Math, "random").mockReturnValue(1);
  server = new FakeServer();
  page = new FakePage();
  frames = [];
  follower = new SessionFollower({
    sessionId: "session_1",
    headers: () => ({ Authorization: "Bearer key" }),
    fetch: server.fetch,
    page: page.document,
    pageSize: 4,
    hiddenAfterMs: HIDDEN_AFTER_MS,
    silenceMs: 60_000,
    nextFrame: (callback) => {
      frames.push(callback);
      return () => {
        frames = frames.filter((each) => each !== callback);
      };
    },
  });
});

afterEach(() => {
  follower.stop();
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** Let everything happen that needs no time. */
async function settle(): Promise<void> {
  await vi.advanceTimersByTimeAsync(0);
}

async function follow(events: readonly LogEvent[] = []): Promise<void> {
  server.log = [...events];
  follower.start();
  await settle();
}

function drawFrame(): void {
  const due = frames;
  frames = [];
  for (const callback of due) callback();
}

function now(): Followed {
  return follower.getSnapshot();
}

describe("opening", () => {
  it("loads the end of the log and streams from there, with the reader's credential", async () => {
    await follow(new LogWriter().turns(3).events);
    expect(server.asked).toEqual([
      "/list?before_sequence=68719476735&limit=4",
      "?after_sequence=12",
    ]);
    expect(server.credentials).toEqual(["Bearer key", "Bearer key"]);
    expect(now()).toMatchObject({
      connection: { kind: "connected" },
      earlier: { kind: "some" },
      transcript: { sequence: 12, firstSequence: 9 },
    });
  });

  it("completes an open turn that is cut at the end of the page", async () => {
    const log = new LogWriter().turns(1).begin();
    for (const id of ["a", "b", "c"]) log.answer(id, "", { [id]: "work" }).result(id, "work");
    await follow(log.events);
    expect(now().transcript.current).toMatchObject({ id: "turn_2", iterations: 3 });
    expect(now().transcript.current?.startedMs).not.toBeNull();
    expect(server.asked).toHaveLength(3);
  });

  it("follows a session to which nothing was sent", async () => {
    await follow();
    expect(now()).toMatchObject({ earlier: { kind: "none" }, transcript: { status: "started" } });
    const log = new LogWriter().begin();
    await server.send(...log.events);
    expect(now().transcript).toEqual({ ...withEvents(EMPTY, log.events), isWhole: true });
  });
});

describe("what comes", () => {
  it("is shown at once and in order if it is durable, with what passed by before it", async () => {
    const log = new LogWriter().begin();
    await follow(log.events);
    const seen: (string | undefined)[] = [];
    follower.subscribe(() => seen.push(now().transcript.draft?.text));
    await server.send(delta("a", 0, "On"), delta("a", 2, "e"));
    expect(seen).toEqual([]);
    await server.send(log.steer("s").last);
    expect(seen).toEqual(["One"]);
    expect(now().transcript.sequence).toBe(3);
  });

  it("is shown once a frame if it passes by", async () => {
    await follow(new LogWriter().begin().events);
    const told = vi.fn();
    follower.subscribe(told);
    for (let at = 0; at < 50; at++) await server.send(delta("a", at, "x"));
    expect(told).not.toHaveBeenCalled();
    expect(frames).toHaveLength(1);
    drawFrame();
    expect(told).toHaveBeenCalledTimes(1);
    expect(now().transcript.draft?.text).toBe("x".repeat(50));
  });

  it("is read whole however the bytes are cut", async () => {
    const log = new LogWriter().begin();
    await follow(log.events);
    await server.sendInPieces(delta("a", 0, "Grüße 👨‍👩‍👧‍👦"), 1);
    drawFrame();
    expect(now().transcript.draft?.text).toBe("Grüße 👨‍👩‍👧‍👦");
  });

  it("twice is shown once", async () => {
    const log = new LogWriter().begin();
    await follow(log.events);
    const before = now();
    await server.send(...log.events);
    expect(now().transcript).toBe(before.transcript);
  });

  it("behind a gap is shown after what is missing was read", async () => {
    const log = new LogWriter().begin();
    await follow(log.events);
    log.answer("a").complete().begin();
    server.log = [...log.events];
    await server.send(log.last);
    expect(server.asked.at(-1)).toBe("/list?after_sequence=2&before_sequence=6&limit=1000");
    expect(now().transcript).toEqual(withEvents(EMPTY, log.events));
  });

  it("is shown if what is missing is hidden from the reader", async () => {
    const log = new LogWriter().begin();
    await follow(log.events);
    log.write("capabilities.prepared", {});
    log.answer("a");
    server.log = log.events.filter((event) => event.type !== "capabilities.prepared");
    await server.send(log.last);
    expect(now().transcript).toMatchObject({ sequence: 4, gap: null });
  });
});

describe("a connection that is lost", () => {
  it("is made anew after the newest event", async () => {
    const log = new LogWriter().begin();
    await follow(log.events);
    server.log.push(log.answer("a").last);
    server.cut();
    await settle();
    expect(now().connection).toMatchObject({
      kind: "reconnecting",
      untilMs: Date.now() + 100,
      failure: { code: "UNREACHABLE" },
    });
    await vi.advanceTimersByTimeAsync(100);
    expect(server.asked.at(-1)).toBe("?after_sequence=2");
    expect(now()).toMatchObject({ connection: { kind: "connected" }, transcript: { sequence: 3 } });
  });

  it("is tried after longer and longer pauses", async () => {
    await follow(new LogWriter().begin().events);
    server.refuse(503);
    server.cut();
    const pauses: number[] = [];
    for (let attempt = 0; attempt < 9; attempt++) {
      await settle();
      const { connection } = now();
      if (connection.kind !== "reconnecting") throw new Error(connection.kind);
      const pauseMs = connection.untilMs - Date.now();
      pauses.push(pauseMs);
      await vi.advanceTimersByTimeAsync(pauseMs);
    }
    expect(pauses).toEqual([100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
  });

  it("is tried when the server wants it to be", async () => {
    await follow(new LogWriter().begin().events);
    server.refuse(503, { "Retry-After": "7" });
    server.cut();
    await vi.advanceTimersByTimeAsync(100);
    expect(now().connection).toMatchObject({ kind: "reconnecting", untilMs: Date.now() + 7000 });
  });

  it("is tried at once after the pause that the stream names, if the server ends it", async () => {
    await follow(new LogWriter().begin().events);
    await server.write("retry: 500\n\n");
    await server.write('event: disconnecting\ndata: {"reason":"connection_cycle"}\n\n');
    server.finish();
    await settle();
    expect(now().connection).toEqual({
      kind: "reconnecting",
      untilMs: Date.now() + 500,
      failure: null,
    });
  });

  it("is given up when the server has been silent, but not while its heart beats", async () => {
    await follow(new LogWriter().begin().events);
    for (let beat = 0; beat < 5; beat++) {
      await vi.advanceTimersByTimeAsync(59_000);
      await server.write(": heartbeat\n\n");
    }
    expect(now().connection.kind).toBe("connected");
    await vi.advanceTimersByTimeAsync(60_000);
    expect(now().connection.kind).toBe("reconnecting");
    expect(server.open).toBe(0);
  });

  it.each([
    [404, "SESSION_NOT_FOUND"],
    [401, "UNAUTHORIZED"],
    [403, "FORBIDDEN"],
    [500, "SESSION_UNREADABLE"],
  ])("is not tried again after %d %s", async (status, code) => {
    await follow(new LogWriter().begin().events);
    server.refuse(status, {}, code);
    // The stream of a deleted session just ends.
    server.finish();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(now().connection).toMatchObject({ kind: "ended", failure: { code } });
    expect(server.asked).toHaveLength(3);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("a hidden page", () => {
  it("lets go of its connection after a while, and misses nothing when it is shown", async () => {
    const log = new LogWriter().begin();
    await follow(log.events);
    page.hide();
    await vi.advanceTimersByTimeAsync(HIDDEN_AFTER_MS - 1);
    expect(server.open).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(server.open).toBe(0);
    expect(now().connection).toEqual({ kind: "paused" });
    server.log = [...log.answer("a").complete().events];
    await vi.advanceTimersByTimeAsync(3_600_000);
    page.show();
    await settle();
    expect(server.asked.at(-1)).toBe("?after_sequence=2");
    expect(now()).toMatchObject({ connection: { kind: "connected" }, transcript: { sequence: 4 } });
  });

  it("that is shown again soon keeps its connection", async () => {
    await follow(new LogWriter().begin().events);
    page.hide();
    await vi.advanceTimersByTimeAsync(HIDDEN_AFTER_MS - 1);
    page.show();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(server.asked).toHaveLength(2);
    expect(now().connection.kind).toBe("connected");
  });

  it("that is shown does not wait for the next attempt", async () => {
    await follow(new LogWriter().begin().events);
    server.refuse(503, { "Retry-After": "600" });
    server.cut();
    await vi.advanceTimersByTimeAsync(100);
    page.hide();
    server.accept();
    page.show();
    await settle();
    expect(now().connection.kind).toBe("connected");
  });
});

describe("stopping", () => {
  it("ends the connection, and nothing changes after that", async () => {
    const log = new LogWriter().turns(2).begin();
    await follow(log.events);
    await server.send(delta("a", 0, "late"));
    const before = now();
    follower.stop();
    drawFrame();
    await server.send(log.answer("a").last);
    await follower.loadEarlier();
    page.hide();
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(now()).toBe(before);
    expect(server.open).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("can be followed by a start, which goes on after the newest event", async () => {
    const log = new LogWriter().begin();
    await follow(log.events);
    await server.send(delta("a", 0, "never drawn"));
    follower.stop();
    server.log.push(log.steer("s").last);
    follower.start();
    await settle();
    expect(server.asked.at(-1)).toBe("?after_sequence=2");
    expect(now().transcript).toMatchObject({ sequence: 3, draft: null });
  });

  it("in the middle of opening leaves nothing behind", async () => {
    server.log = new LogWriter().turns(3).events;
    const stop = follower.start();
    stop();
    await settle();
    expect(now().transcript).toBe(EMPTY);
    expect(server.open).toBe(0);
  });
});

describe("earlier events", () => {
  it("are loaded page by page until there are none", async () => {
    const log = new LogWriter().turns(3);
    await follow(log.events);
    await follower.loadEarlier();
    expect(now()).toMatchObject({ earlier: { kind: "some" }, transcript: { firstSequence: 5 } });
    await follower.loadEarlier();
    expect(now().earlier).toEqual({ kind: "none" });
    expect(now().transcript).toEqual(withEvents(EMPTY, log.events));
    await follower.loadEarlier();
    expect(server.asked).toHaveLength(4);
  });

  it("that fail to load can be loaded again", async () => {
    await follow(new LogWriter().turns(2).events);
    server.refuse(503, {}, "UNAVAILABLE");
    await follower.loadEarlier();
    expect(now().earlier).toMatchObject({ kind: "failed", failure: { code: "UNAVAILABLE" } });
    server.accept();
    await follower.loadEarlier();
    expect(now().earlier).toEqual({ kind: "none" });
  });

  it("do not undo what came meanwhile", async () => {
    const log = new LogWriter().turns(2);
    await follow(log.events);
    const loading = follower.loadEarlier();
    await server.send(log.begin().events[8] as LogEvent);
    await loading;
    expect(now().transcript).toMatchObject({ firstSequence: 1, sequence: 9 });
  });
});
