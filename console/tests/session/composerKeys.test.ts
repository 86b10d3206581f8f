import { describe, expect, it } from "vitest";
import { actionOf, type Key, type Surroundings } from "../../src/session/composer/keys";

const PLAIN = {
  shiftKey: false,
  ctrlKey: false,
  metaKey: false,
  altKey: false,
  isComposing: false,
};
const QUIET: Surroundings = {
  isUntouched: false,
  isRunning: false,
  isStopAsked: false,
  enterSends: true,
};

function act(key: Partial<Key> & { key: string }, surroundings: Partial<Surroundings> = {}) {
  return actionOf({ ...PLAIN, ...key }, { ...QUIET, ...surroundings });
}

describe("keys of the composer", () => {
  it("Enter sends, Shift+Enter breaks the line", () => {
    expect(act({ key: "Enter" })).toBe("send");
    expect(act({ key: "Enter", shiftKey: true })).toBeNull();
  });

  it("Enter breaks the line and Ctrl+Enter sends, if the user chose so", () => {
    expect(act({ key: "Enter" }, { enterSends: false })).toBeNull();
    expect(act({ key: "Enter", ctrlKey: true }, { enterSends: false })).toBe("send");
    expect(act({ key: "Enter", metaKey: true }, { enterSends: false })).toBe("send");
  });

  it("Enter belongs to an input method that composes a character", () => {
    expect(act({ key: "Enter", isComposing: true })).toBeNull();
  });

  it("Escape stops a running turn after it has asked once", () => {
    expect(act({ key: "Escape" })).toBeNull();
    expect(act({ key: "Escape" }, { isRunning: true })).toBe("ask_to_stop");
    expect(act({ key: "Escape" }, { isRunning: true, isStopAsked: true })).toBe("stop");
  });

  it("arrows recall what was sent, unless something is being written", () => {
    expect(act({ key: "ArrowUp" }, { isUntouched: true })).toBe("recall_earlier");
    expect(act({ key: "ArrowDown" }, { isUntouched: true })).toBe("recall_later");
    expect(act({ key: "ArrowUp" })).toBeNull();
    expect(act({ key: "ArrowUp", shiftKey: true }, { isUntouched: true })).toBeNull();
  });
});
