import { describe, expect, it } from "vitest";
import { identified } from "../src/parts/ids";
import { isTyping } from "../src/parts/typing";
import { pressed } from "../src/shell/keys";
import { matching, type Offer } from "../src/shell/palette";
import { PLACES, placesFor } from "../src/shell/places";

function press(key: string, held: { ctrlKey?: boolean; metaKey?: boolean; altKey?: boolean } = {}) {
  return { key, ctrlKey: false, metaKey: false, altKey: false, ...held };
}

describe("keys", () => {
  it.each(PLACES.flat())("g $key goes to $name", ({ key, to }) => {
    const { pending } = pressed(press("g"), undefined, false);
    expect(pressed(press(key), pending, false)).toEqual({ command: { do: "go", to } });
  });

  it("of two screens are never the same", () => {
    const keys = PLACES.flat().map(({ key }) => key);
    expect(new Set(keys).size).toBe(keys.length);
  });

  it("mean nothing alone that goes somewhere after g", () => {
    expect(pressed(press("s"), undefined, false)).toEqual({});
  });

  it("end a sequence that leads nowhere", () => {
    expect(pressed(press("x"), "g", false)).toEqual({});
  });

  it.each(["g", "?", "/"])("%s is text in a field", (key) => {
    expect(pressed(press(key), undefined, true)).toEqual({});
  });

  it.each([{ ctrlKey: true }, { metaKey: true }])(
    "with %j open the palette, in a field too",
    (held) => {
      expect(pressed(press("k", held), undefined, true)).toEqual({ command: { do: "palette" } });
    },
  );

  it("that the browser has for itself stay its own", () => {
    expect(pressed(press("s", { ctrlKey: true }), "g", false)).toEqual({});
  });
});

describe("a place where keys write text", () => {
  it.each([
    ["<input>", "input", true],
    ["<textarea></textarea>", "textarea", true],
    ["<select></select>", "select", true],
    ['<input type="checkbox">', "input", false],
    ['<div role="dialog"><button>x</button></div>', "button", true],
    ['<div role="menu"><button>x</button></div>', "button", true],
    ["<button>x</button>", "button", false],
  ])("%s: %s", (markup, selector, expected) => {
    document.body.innerHTML = markup;
    expect(isTyping(document.querySelector(selector))).toBe(expected);
  });
});

describe("the palette", () => {
  const offers = ["Sessions", "New session", "Settings", "Use the dark theme"].map(
    (name): Offer => ({
      id: name,
      name,
      ...(name.startsWith("Use") && { words: "switch mode" }),
      run: () => undefined,
    }),
  );
  const names = (text: string) => matching(offers, text).map(({ name }) => name);

  it("offers everything before anything is typed", () => {
    expect(names("  ")).toHaveLength(offers.length);
  });

  it("has names that begin with the text before those that contain it", () => {
    expect(names("sess")).toEqual(["Sessions", "New session"]);
  });

  it("wants every word, in any order", () => {
    expect(names("theme dark")).toEqual(["Use the dark theme"]);
    expect(names("dark light")).toEqual([]);
  });

  it("finds by other words too", () => {
    expect(names("MODE")).toEqual(["Use the dark theme"]);
  });

  it("knows an id when it sees one, whole and alone", () => {
    const id = `session_${"0f".repeat(16)}`;
    expect(identified(id)).toEqual({ kind: "session", id });
    expect(identified(`${id} and more`)).toBeUndefined();
    expect(identified("session_12")).toBeUndefined();
    expect(identified(`turn_${"0f".repeat(16)}`)).toBeUndefined();
  });
});

it("shows those with limits only what they may see", () => {
  const names = placesFor(true).map((group) => group.map(({ name }) => name));
  expect(names).toEqual([["Start", "Sessions", "Agents"], ["Usage"], ["Settings"]]);
});
