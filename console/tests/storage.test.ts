import { afterEach, describe, expect, it, vi } from "vitest";
import { credential, forgetCredential, keepCredential } from "../src/api/credential";
import { keepText, keptText } from "../src/session/composer/kept";
import { chooseTheme, chosenTheme } from "../src/theme/theme";

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  keepText("session_1", "");
  forgetCredential();
  chooseTheme("system");
});

function forbid(storage: "localStorage" | "sessionStorage") {
  vi.spyOn(window, storage, "get").mockImplementation(() => {
    throw new DOMException("The operation is insecure.", "SecurityError");
  });
}

describe("where the browser forbids its storage", () => {
  it("the page keeps a theme, a key and an unsent text until it is left", () => {
    forbid("localStorage");
    forbid("sessionStorage");

    expect(chosenTheme()).toBe("system");
    expect(credential()).toBeNull();
    chooseTheme("dark");
    keepCredential("evr_secret", true);
    keepText("session_1", "Hello");

    expect(chosenTheme()).toBe("dark");
    expect(credential()).toBe("evr_secret");
    expect(keptText("session_1")).toBe("Hello");
  });

  it("a key that is forgotten is gone", () => {
    forbid("localStorage");
    forbid("sessionStorage");
    keepCredential("evr_secret", false);
    forgetCredential();
    expect(credential()).toBeNull();
  });
});

describe("where the browser's storage is full", () => {
  it("the text that was kept last counts, and no older one", () => {
    keepText("session_1", "Hel");
    vi.spyOn(Storage.prototype, "setItem").mockImplementation(() => {
      throw new DOMException("The quota has been exceeded.", "QuotaExceededError");
    });
    keepText("session_1", "Hello");
    expect(keptText("session_1")).toBe("Hello");
    keepText("session_1", "");
    expect(keptText("session_1")).toBe("");
  });
});
