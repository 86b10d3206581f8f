import { describe, expect, it } from "vitest";
import { linesOf, rowsOf, stretchesOf } from "../src/parts/Stretches";

const LENGTH = 20_000;

describe("the stretches of a long text", () => {
  it.each([
    ["is empty", ""],
    ["is short", "one\ntwo\n"],
    ["has one line", "x".repeat(3.5 * LENGTH)],
    ["has many lines", "line\n".repeat(LENGTH)],
    ["has empty lines only", "\n".repeat(2 * LENGTH)],
    ["has characters of two units", "x".concat("\u{1f600}".repeat(LENGTH))],
  ])("are all of it, if it %s", (_, text) => {
    expect(stretchesOf(text).join("")).toBe(text);
  });

  it("end with a line, if there is one in them", () => {
    const [first = ""] = stretchesOf("a line\n".repeat(LENGTH));
    expect(first.endsWith("\n")).toBe(true);
    expect(first.length).toBeGreaterThan(LENGTH - "a line\n".length - 1);
  });

  it("never end within a character", () => {
    const [first = ""] = stretchesOf("x".concat("\u{1f600}".repeat(LENGTH)));
    expect(new TextDecoder().decode(new TextEncoder().encode(first))).toBe(first);
  });

  it("are as long as can be laid out within a moment", () => {
    for (const stretch of stretchesOf("x".repeat(3 * LENGTH))) {
      expect(stretch.length).toBeLessThanOrEqual(LENGTH);
    }
  });
});

describe("the rows that a stretch is taken to have", () => {
  it.each([
    ["one for each short line", "a\n".repeat(500), 500],
    ["one for an empty line", "\n\n", 2],
    ["several for a line that is broken", "x".repeat(1_000), 10],
  ])("are %s", (_, text, rows) => {
    expect(rowsOf(text)).toBe(rows);
  });
});

describe("the lines of a long text", () => {
  it("are all of it, in parts that break none", () => {
    const text = `${"x".repeat(3 * LENGTH)}\n${"line\n".repeat(2 * LENGTH)}the end`;
    const parts = linesOf(text);
    expect(parts.join("")).toBe(text);
    expect(parts.length).toBeGreaterThan(5);
    for (const part of parts.slice(0, -1)) expect(part.endsWith("\n")).toBe(true);
  });
});
