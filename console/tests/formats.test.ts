import { describe, expect, it } from "vitest";
import { ago, brief, bytes, duration, money, shortId } from "../src/parts/formats";

describe("formats", () => {
  it.each([
    [0, "0 ms"],
    [840, "840 ms"],
    [12_400, "12.4 s"],
    [59_999, "1 m 00 s"],
    [185_000, "3 m 05 s"],
    [3_780_000, "1 h 03 m"],
  ])("show %d ms as %s", (milliseconds, shown) => {
    expect(duration(milliseconds)).toBe(shown);
  });

  it.each([
    [840, "840"],
    [12_345, "12.3k"],
    [999_960, "1.0M"],
  ])("show %d tokens as %s", (count, shown) => {
    expect(brief(count)).toBe(shown);
  });

  it.each([
    [0, "$0"],
    [0.00001, "<$0.0001"],
    [0.0042, "$0.0042"],
    [1.239, "$1.24"],
  ])("show %d dollars as %s", (dollars, shown) => {
    expect(money(dollars)).toBe(shown);
  });

  it.each([
    [999, "999 B"],
    [3_400_000, "3.4 MB"],
  ])("show %d bytes as %s", (count, shown) => {
    expect(bytes(count)).toBe(shown);
  });

  it("show a moment by how long ago it was, or its day", () => {
    const now = new Date("2026-01-31T10:00:00Z");
    expect(ago(new Date("2026-01-31T09:59:59.500Z"), now)).toBe("now");
    expect(ago(new Date("2026-01-31T09:57:00Z"), now)).toBe("3 min. ago");
    expect(ago(new Date("2026-01-01T00:00:00Z"), now)).toBe("2026-01-01");
  });

  it("show an id by its kind and its end", () => {
    expect(shortId("session_019c0123456789abcdef0123456789ab")).toBe("session_…89ab");
  });
});
