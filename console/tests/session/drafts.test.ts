/** The message that is being written, rebuilt from deltas with offsets in code points. */

import { describe, expect, it } from "vitest";
import { codePointsIn, EMPTY_TEXT, written } from "../../src/session/log/codePoints";
import { EMPTY, withEvents } from "../../src/session/log/fold";
import { withPassing } from "../../src/session/log/passing";
import { cpuMsOf } from "./cpuTime";
import { delta, LogWriter } from "./events";

const PIECES = [
  "a",
  " plain words ",
  "é",
  "e\u0301",
  "😀",
  "👨‍👩‍👧‍👦",
  "🇩🇪🇫🇷",
  "\u{1d518}",
  "\u202eabc\u202c",
  "\n",
  "日本",
];
const HALVES = ["\ud83d", "\ude00"];

/** Numbers that look random and are the same each time (mulberry32). */
function randomness(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

function textOf(random: (below: number) => number, pieces: readonly string[]): string {
  return Array.from({ length: random(30) }, () => pieces[random(pieces.length)]).join("");
}

function inCodePoints(text: string): number {
  return Array.from(text).length;
}

const SEEDS = Array.from({ length: 200 }, (_, seed) => seed);

describe("a text in pieces", () => {
  it("is what was cut, wherever it was cut between code points", () => {
    for (const seed of SEEDS) {
      const random = randomness(seed);
      const points = Array.from(textOf(random, PIECES));
      let text = EMPTY_TEXT;
      for (let at = 0; at < points.length; ) {
        const next = Math.min(points.length, at + 1 + random(5));
        text = written(text, at, points.slice(at, next).join(""));
        at = next;
      }
      expect(text).toEqual({ text: points.join(""), length: points.length });
    }
  });

  it("is what was cut, even in the middle of a pair of surrogates", () => {
    for (const seed of SEEDS) {
      const random = randomness(seed);
      const whole = textOf(random, [...PIECES, ...HALVES]);
      let text = EMPTY_TEXT;
      for (let at = 0; at < whole.length; ) {
        const next = Math.min(whole.length, at + 1 + random(4));
        text = written(text, inCodePoints(whole.slice(0, at)), whole.slice(at, next));
        at = next;
      }
      expect(text).toEqual({ text: whole, length: inCodePoints(whole) });
    }
  });

  it("is text[:offset] + delta when pieces come again, from any offset", () => {
    for (const seed of SEEDS) {
      const random = randomness(seed);
      let points: string[] = [];
      let text = EMPTY_TEXT;
      for (let piece = 0; piece < 10; piece++) {
        const offset = random(points.length + 1);
        const added = Array.from(textOf(random, PIECES));
        points = [...points.slice(0, offset), ...added];
        text = written(text, offset, added.join(""));
        expect(text).toEqual({ text: points.join(""), length: points.length });
      }
    }
  });

  it("waits for the finished message if something is missing", () => {
    const text = written(EMPTY_TEXT, 0, "😀");
    expect(written(text, 2, "late")).toBe(text);
  });

  it("is counted as the text is iterated", () => {
    for (const seed of SEEDS) {
      const text = textOf(randomness(seed), [...PIECES, ...HALVES]);
      expect(codePointsIn(text)).toBe(inCodePoints(text));
    }
  });

  it("grows at its end for what the piece costs", () => {
    // Ten times as many pieces take about ten times as long; reading the text again and again
    // would take a hundred times as long.
    const took = (pieces: number) =>
      cpuMsOf(() => {
        let text = EMPTY_TEXT;
        for (let at = 0; at < pieces; at++) text = written(text, text.length, "word 😀 ");
        expect(text.length).toBe(pieces * 7);
      });
    took(20_000);
    const few = took(20_000);
    expect(took(200_000)).toBeLessThan(Math.max(few, 2) * 60);
  });
});

describe("a draft", () => {
  const begun = withEvents(EMPTY, new LogWriter().begin().events);

  it("has text and reasoning, each with its own offsets", () => {
    const { draft } = withPassing(begun, [
      delta("a", 0, "Hm", "reasoning.delta"),
      delta("a", 2, ", yes", "reasoning.delta"),
      delta("a", 0, "Yes"),
      delta("a", 3, "."),
    ]);
    expect(draft).toMatchObject({ messageId: "a", reasoning: "Hm, yes", text: "Yes." });
  });

  it("is replaced by that of a process which writes the answer again", () => {
    const { draft } = withPassing(begun, [delta("a", 0, "Lost"), delta("b", 0, "An")]);
    expect(draft).toMatchObject({ messageId: "b", text: "An" });
  });

  it("gives way to the finished message, and does not come back", () => {
    const log = new LogWriter().begin().answer("a", "Yes.");
    const writing = withPassing(begun, [delta("a", 0, "Ye")]);
    const finished = withEvents(writing, log.events);
    expect(finished.draft).toBeNull();
    expect(withPassing(finished, [delta("a", 2, "s.")])).toBe(finished);
    expect(finished.current?.items.at(-1)?.key).toBe("a");
    const ended = withEvents(finished, log.complete().events);
    expect(withPassing(ended, [delta("a", 0, "Yes.")])).toBe(ended);
  });

  it("stays while a user's message steers the turn, and ends with the turn", () => {
    const log = new LogWriter().begin().steer("s");
    const writing = withPassing(begun, [delta("a", 0, "Ye")]);
    const steered = withEvents(writing, log.events);
    expect(steered.draft).toBe(writing.draft);
    log.write("session.cancelled", { turn_id: "turn_1" });
    expect(withEvents(steered, log.events).draft).toBeNull();
  });
});
