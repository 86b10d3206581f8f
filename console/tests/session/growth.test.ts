/** What a transcript shares with the one before it, what pages make of it, and what it costs. */

import { describe, expect, it } from "vitest";
import { EMPTY, withEarlier, withEvents, withListed } from "../../src/session/log/fold";
import { withPassing } from "../../src/session/log/passing";
import type { Transcript } from "../../src/session/log/types";
import { cpuMsOf } from "./cpuTime";
import { delta, LogWriter } from "./events";

function folded(log: LogWriter): Transcript {
  return withEvents(EMPTY, log.events);
}

describe("events", () => {
  it("of types that are unknown are kept", () => {
    const log = new LogWriter().begin();
    const strange = log.write("session.dreamt", { of: "sheep" });
    expect(folded(log).current?.items.at(-1)).toMatchObject({ kind: "event", event: strange });
  });

  it("that come twice change nothing", () => {
    const log = new LogWriter().begin().answer("a");
    const transcript = folded(log);
    expect(withEvents(transcript, log.events)).toBe(transcript);
  });

  it("behind a gap are not applied, and the gap is named until it is closed", () => {
    const { events } = new LogWriter().turns(2);
    const some = withEvents(EMPTY, events.slice(0, 3));
    const torn = withEvents(some, events.slice(5));
    expect(torn).toEqual({ ...some, gap: { after: 3, before: 6 } });
    expect(torn.past).toBe(some.past);
    expect(withListed(torn, events.slice(3))).toEqual(withEvents(EMPTY, events));
  });

  it("that the reader may not see are no gap in a list", () => {
    const { events } = new LogWriter().turns(2);
    const seen = withListed(EMPTY, [...events.slice(0, 2), ...events.slice(3)]);
    expect(seen).toMatchObject({ gap: null, sequence: 8, isWhole: true });
  });
});

describe("objects", () => {
  it("of items that an event does not change stay the same", () => {
    const log = new LogWriter().turns(3).begin().answer("a", "", { one: "x", two: "y" });
    const before = folded(log.call("one", "x"));
    const after = withEvents(before, log.call("two", "y").events);
    expect(after.past).toBe(before.past);
    const changed = after.current?.items.filter((item, at) => item !== before.current?.items[at]);
    expect(changed?.map((item) => item.key)).toEqual(["two"]);
  });

  it("of turns stay the same when a delta comes", () => {
    const before = folded(new LogWriter().turns(3).begin());
    const first = withPassing(before, [delta("a", 0, "One")]);
    const second = withPassing(first, [delta("a", 3, " two")]);
    expect(second.past).toBe(before.past);
    expect(second.current).toBe(before.current);
    expect(second.activity).toBe(first.activity);
    expect(second.waits).toBe(before.waits);
  });

  it("of waits stay the same while they are open", () => {
    const log = new LogWriter().begin().answer("a", "", { one: "door", two: "x" });
    const before = folded(log.call("one", "door", { client_side: true }));
    const after = withEvents(before, log.call("two", "x").events);
    expect(after.waits).toBe(before.waits);
    expect(after.activity).toBe(before.activity);
  });

  it("of later turns stay the same when an earlier page comes", () => {
    const { events } = new LogWriter().turns(6);
    const end = withListed(EMPTY, events.slice(10));
    const more = withEarlier(end, events.slice(6, 10));
    expect(more.past.slice(-3)).toEqual(end.past.slice(-3));
    expect(more.past.at(-1)).toBe(end.past.at(-1));
    expect(more.past.at(-2)).toBe(end.past.at(-2));
  });

  it("of other items stay the same when a retry supersedes some", () => {
    const log = new LogWriter().turns(2);
    const before = folded(log);
    const [first, last] = before.past;
    log.write("session.started", {
      turn_id: "turn_3",
      input_message_id: "message_of_turn_2",
      retry_of: "turn_2",
      superseded: [[6, 8]],
    });
    const { past } = withEvents(before, log.events);
    expect(past[0]).toBe(first);
    expect(past[1]?.items[0]).toBe(last?.items[0]);
    expect(past[1]?.items[1]).toMatchObject({ isSuperseded: true });
  });
});

describe("pages", () => {
  it("say when there is nothing before them", () => {
    const { events } = new LogWriter().turns(2);
    const end = withEarlier(EMPTY, events.slice(4));
    expect(end.isWhole).toBe(false);
    expect(withEarlier(end, events.slice(0, 4)).isWhole).toBe(true);
    expect(withEarlier(end, []).isWhole).toBe(true);
    expect(withEarlier(EMPTY, []).isWhole).toBe(true);
  });

  it("that are loaded already change nothing", () => {
    const end = withEarlier(EMPTY, new LogWriter().turns(2).events);
    expect(withEarlier(end, new LogWriter().turns(1).events)).toBe(end);
  });

  it("complete a turn that was cut and is still open, and leave its draft", () => {
    const log = new LogWriter().begin().answer("a", "", { one: "door" });
    log.call("one", "door", { client_side: true });
    const end = withPassing(withEarlier(EMPTY, log.events.slice(3)), [delta("b", 0, "Hm")]);
    expect(end.current).toMatchObject({ id: "turn_1", startedMs: null, isOpen: true });
    const whole = withEarlier(end, log.events.slice(0, 3));
    expect(whole).toEqual({ ...folded(log), draft: end.draft });
  });
});

describe("cost", () => {
  it("of ten thousand events is well under a tenth of a second", () => {
    const { events } = new LogWriter().turns(2500);
    // The best of some: at first the code is not compiled yet.
    const took = Array.from({ length: 5 }, () =>
      cpuMsOf(() => expect(withEvents(EMPTY, events).past).toHaveLength(2500)),
    );
    expect(Math.min(...took)).toBeLessThan(100);
  });

  it("of a delta does not grow with the conversation", () => {
    // What a delta reads of a conversation is counted: no item, no turn, whatever their number.
    for (const turns of [1, 1000]) {
      const transcript = folded(new LogWriter().turns(turns).begin());
      const started = withPassing(transcript, [delta("a", 0, "x")]);
      const reads: PropertyKey[] = [];
      const past = new Proxy(started.past, {
        get: (target, name) => {
          reads.push(name);
          return Reflect.get(target, name);
        },
      });
      withPassing({ ...started, past, current: started.current }, [delta("a", 1, "y")]);
      expect(reads).toEqual([]);
    }
  });
});
