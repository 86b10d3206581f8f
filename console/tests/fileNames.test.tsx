import { cleanup, screen } from "@testing-library/react";
import { afterEach, describe, expect, it } from "vitest";
import { Attachment } from "../src/session/chat/Attachment";
import { renderRouted } from "./routed";

afterEach(cleanup);

// It would be drawn as "exe.txt".
const DISGUISED = "/\u202etxt.exe";
const SHOWN = "/[U+202E]txt.exe";

describe("a file whose name is written to be drawn backwards", () => {
  it("is shown as it is beside a tool's result", () => {
    renderRouted(
      <Attachment
        part={{ type: "file", path: DISGUISED, media_type: "text/plain", size_bytes: 1 }}
      />,
    );
    expect(screen.getByRole("link").textContent).toContain(SHOWN);
  });
});
