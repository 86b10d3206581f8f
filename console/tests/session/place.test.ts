import { describe, expect, it } from "vitest";
import { AT_END, arrived, held, scrolled, type Viewport } from "../../src/session/chat/place";

function seen(top: number, contentHeight = 5000): Viewport {
  return { top, height: 800, contentHeight };
}

describe("the place in a conversation", () => {
  it("stays at the end while the reader is there", () => {
    expect(scrolled(AT_END, seen(4100), seen(4200))).toBe(AT_END);
    expect(arrived(AT_END, 3)).toBe(AT_END);
  });

  it("leaves the end when the reader scrolls up", () => {
    expect(scrolled(AT_END, seen(4200), seen(4000)).sticks).toBe(false);
  });

  it("does not leave the end when content grows under it", () => {
    expect(scrolled(AT_END, seen(4200), seen(4200, 6000)).sticks).toBe(true);
  });

  it("counts what comes out of view", () => {
    const away = scrolled(AT_END, seen(4200), seen(1000));
    expect(arrived(arrived(away, 2), 1).unseen).toBe(3);
    expect(arrived(away, -2)).toBe(away);
  });

  it("is at the end again once the reader has come back", () => {
    const away = arrived(scrolled(AT_END, seen(4200), seen(1000)), 2);
    expect(scrolled(away, seen(1000), seen(3000))).toBe(away);
    expect(scrolled(away, seen(3000), seen(4190))).toEqual(AT_END);
  });

  it("is held where something was opened", () => {
    expect(held(AT_END).sticks).toBe(false);
  });
});
