import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, describe, expect, it } from "vitest";
import { Json } from "../src/parts/Json";

afterEach(cleanup);

function show(value: unknown, openLevels = 9) {
  render(<Json value={value} label="The value" openLevels={openLevels} />);
  return screen.getByRole("tree", { name: "The value" });
}

describe("A tree of JSON", () => {
  it.each([
    [null, "null"],
    [true, "true"],
    [0, "0"],
    [-1e-7, "-1e-7"],
    ["", '""'],
    ['a "b"\n', String.raw`"a \"b\"\n"`],
    [[], "[]"],
    [{}, "{}"],
    [undefined, "undefined"],
  ])("shows %j as %s", (value, text) => {
    expect(show(value).textContent).toBe(text);
  });

  it("shows names that every object has, and empty ones", () => {
    const tree = show(JSON.parse('{"__proto__": 1, "": 2, "constructor": 3}'));
    expect(screen.getAllByRole("treeitem")).toHaveLength(4);
    expect(tree.textContent).toBe("{3}__proto__12constructor3");
  });

  it("does not draw what is closed", () => {
    show({ outer: { inner: 1 } }, 1);
    expect(screen.queryByText("inner")).toBeNull();
    fireEvent.click(screen.getByText("outer"));
    expect(screen.getByText("inner")).toBeTruthy();
  });

  it("draws a part of a long list at a time", () => {
    show(Array.from({ length: 450 }, (_, place) => place));
    expect(screen.getAllByRole("treeitem")).toHaveLength(201);
    fireEvent.click(screen.getByRole("button", { name: "250 more" }));
    expect(screen.getAllByRole("treeitem")).toHaveLength(401);
  });

  it("cuts a long text, not within a character, until all of it is wanted", () => {
    const text = "😀".repeat(5000);
    const tree = show(`x${text}`);
    expect(tree.textContent).not.toContain("\\ud83d");
    expect(tree.textContent?.length).toBeLessThan(500);
    fireEvent.click(screen.getByRole("button", { name: "Show all 10,001 characters" }));
    expect(tree.textContent).toBe(`"x${text}"`);
  });

  it("shows controls of the direction of text instead of obeying them", () => {
    expect(show("a\u202eb").textContent).toBe('"a[U+202E]b"');
  });

  it("is gone through, closed and opened by keyboard", () => {
    show({ a: { b: 1 }, c: 2 });
    const [root, a, b, c] = screen.getAllByRole("treeitem");
    root?.focus();
    fireEvent.keyDown(document.activeElement ?? document, { key: "ArrowDown" });
    expect(document.activeElement).toBe(a);
    fireEvent.keyDown(document.activeElement ?? document, { key: "ArrowRight" });
    expect(document.activeElement).toBe(b);
    fireEvent.keyDown(document.activeElement ?? document, { key: "ArrowLeft" });
    expect(document.activeElement).toBe(a);
    fireEvent.keyDown(document.activeElement ?? document, { key: "ArrowLeft" });
    expect(a?.getAttribute("aria-expanded")).toBe("false");
    fireEvent.keyDown(document.activeElement ?? document, { key: "End" });
    expect(document.activeElement).toBe(c);
  });
});
