import { expect, it, vi } from "vitest";
import { withVisibleControls } from "../src/parts/controls";
import { labelOf, shapeOf } from "../src/parts/form/schema/shapes";
import { withCommand } from "../src/parts/platform";

it.each(["\u202a", "\u202e", "\u2066", "\u2069"])(
  "a control of the direction is seen and does nothing: %j",
  (control) => {
    const number = control.charCodeAt(0).toString(16).toUpperCase();
    expect(withVisibleControls(`a${control}b`)).toBe(`a[U+${number}]b`);
  },
);

it("words of a schema stay words, leave room for the form, and turn nothing around", () => {
  const schema = {
    type: "object",
    properties: {
      path: {
        type: "string",
        title: `<img src=x onerror=alert(1)>${"t".repeat(5000)}`,
        description: `\u202e${"d".repeat(5000)}`,
      },
    },
  };
  const shape = shapeOf(schema);
  const [field] = shape.kind === "group" ? shape.fields : [];
  expect(field?.label).toMatch(/^<img src=x onerror=alert\(1\)>t+…$/);
  expect(field?.label.length).toBeLessThan(100);
  expect(field?.hint).toMatch(/^\[U\+202E\]d+…$/);
  expect(field?.hint?.length).toBeLessThan(700);
});

it("the name of a field that has no title leaves room for the form too", () => {
  expect(labelOf("n".repeat(5000)).length).toBeLessThan(100);
});

it.each([
  ["Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)", "⌘K"],
  ["Mozilla/5.0 (X11; Linux x86_64)", "Ctrl+K"],
])("keys are called what they are on the machine: %s", (userAgent, name) => {
  vi.stubGlobal("navigator", { userAgent });
  expect(withCommand("K")).toBe(name);
  vi.unstubAllGlobals();
});
