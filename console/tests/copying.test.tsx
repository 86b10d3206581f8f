import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Curl } from "../src/parts/Curl";
import { copyText } from "../src/parts/copying";
import { Id } from "../src/parts/Id";

describe("on a page that came by plain HTTP from another machine", () => {
  const copied: string[] = [];

  beforeEach(() => {
    copied.length = 0;
    vi.stubGlobal("isSecureContext", false);
    vi.stubGlobal("navigator", { ...navigator, clipboard: undefined });
    document.execCommand = () => {
      copied.push(document.querySelector("textarea")?.value ?? "");
      return true;
    };
  });

  afterEach(() => {
    cleanup();
    vi.unstubAllGlobals();
  });

  it("an id is copied", async () => {
    render(<Id id="session_0123456789abcdef" />);
    fireEvent.click(screen.getByRole("button"));
    await screen.findByText("copied");
    expect(copied).toEqual(["session_0123456789abcdef"]);
  });

  it("a command is copied", async () => {
    render(<Curl path="/v1/agents" />);
    fireEvent.click(screen.getByRole("button", { name: "Copy" }));
    await screen.findByRole("button", { name: "Copied" });
    expect(copied).toEqual([`curl -s ${window.location.origin}/v1/agents`]);
  });
});

describe("where the browser refuses to copy", () => {
  beforeEach(() => {
    const refused = new DOMException("Write permission denied.", "NotAllowedError");
    vi.stubGlobal("isSecureContext", true);
    vi.stubGlobal("navigator", { clipboard: { writeText: () => Promise.reject(refused) } });
  });

  afterEach(() => {
    cleanup();
    vi.unstubAllGlobals();
  });

  it("the button says that nothing was copied", async () => {
    render(<Curl path="/v1/agents" />);
    fireEvent.click(screen.getByRole("button", { name: "Copy" }));
    await screen.findByRole("button", { name: "Not copied" });
  });

  it("the failure says what to do, and does not blame the server", async () => {
    await expect(copyText("text")).rejects.toMatchObject({
      code: "NOT_COPIED",
      message: expect.stringContaining("Select the text"),
    });
  });
});
