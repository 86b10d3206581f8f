import { describe, expect, it } from "vitest";
import { isFigure, lineOf, textOf } from "../src/sql/cells";

describe("a cell of an answer", () => {
  it.each(["BIGINT", "UTINYINT", "INTEGER", "DOUBLE", "DECIMAL(18,3)", "HUGEINT"])(
    "is a figure, if its type is %s",
    (type) => {
      expect(isFigure(type)).toBe(true);
    },
  );

  it.each(["VARCHAR", "DATE", "INTERVAL", "BIGINT[]", "STRUCT(a INTEGER)"])(
    "is no figure, if its type is %s",
    (type) => {
      expect(isFigure(type)).toBe(false);
    },
  );

  it("is one short line, while a copy has all of it", () => {
    const value = { text: "a\nb".repeat(100) };
    expect(lineOf(value).length).toBe(201);
    expect(lineOf("a\n\n b")).toBe("a b");
    expect(JSON.parse(textOf(value))).toEqual(value);
  });
});
