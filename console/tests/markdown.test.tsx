import { cleanup, render, screen } from "@testing-library/react";
import { afterEach, describe, expect, it } from "vitest";
import { BlockReader, definitionsIn, withDefinitions } from "../src/parts/markdown/blocks";
import { piecesOf } from "../src/parts/markdown/highlighting";
import { Markdown } from "../src/parts/markdown/Markdown";

afterEach(cleanup);

function textsOf(text: string): string[] {
  return new BlockReader().read(text).map((block) => block.text);
}

describe("hostile Markdown", () => {
  it("is never taken as HTML", () => {
    const { container } = render(
      <Markdown text={'<script>alert(1)</script>\n\n<b onclick="x()">hi</b>'} />,
    );
    expect(container.querySelector("script, b, [onclick]")).toBeNull();
    expect(container.textContent).toContain("<script>alert(1)</script>");
  });

  it.each([
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,hi",
    "vbscript:x",
    "/v1/agents",
  ])("has no link to %s", (address) => {
    const { container } = render(<Markdown text={`[click](${address})`} />);
    expect(container.querySelector("a")).toBeNull();
    expect(container.textContent).toBe("click");
  });

  it.each([
    ["quotations", ">".repeat(10_000)],
    ["quotations with spaces", "> ".repeat(9_000)],
    ["lists in a line", "- ".repeat(9_000)],
    ["numbered lists", "1. ".repeat(6_000)],
    [
      "lists over lines",
      Array.from({ length: 180 }, (_, depth) => `${" ".repeat(depth)}- `).join("a\n"),
    ],
  ])("with %s nested very deeply is shown as it is", (_, text) => {
    const { container } = render(<Markdown text={`${text}a\n\n**The end**`} />);
    expect(container.querySelector("blockquote, li")).toBeNull();
    expect(container.querySelector("strong")?.textContent).toBe("The end");
  });

  it("keeps lists and quotations as deep as people write them", () => {
    const { container } = render(<Markdown text={`${"> ".repeat(6)}- a\n`} />);
    expect(container.querySelectorAll("blockquote")).toHaveLength(6);
    expect(container.querySelector("li")?.textContent).toContain("a");
  });

  it("of thousands of blocks is shown as it is", () => {
    const { container } = render(<Markdown text={"a\n\n".repeat(40_000)} />);
    expect(container.querySelector("p")).toBeNull();
    expect(container.querySelector("pre")).not.toBeNull();
  });

  it("does not read hundreds of definitions again for each block", () => {
    const text = `${"[a]: https://example.com\n\n".repeat(400)}${"see [a]\n\n".repeat(400)}`;
    const { container } = render(<Markdown text={text} />);
    expect(container.querySelectorAll("p")).toHaveLength(400);
    expect(container.querySelector("a")).toBeNull();
  });

  it("loads no picture from elsewhere, but says where it is", () => {
    const { container } = render(
      <Markdown text="![a cat](https://tracker.example/cat.png?who=me)" />,
    );
    expect(container.querySelector("img")).toBeNull();
    const link = screen.getByRole("link");
    expect(link.textContent).toBe("a cat (picture at tracker.example)");
    expect(link.getAttribute("rel")).toBe("noopener noreferrer");
  });

  it("says where a link leads whose text names another host", () => {
    render(<Markdown text="[https://bank.example](https://evil.example/login)" />);
    expect(screen.getByRole("link").textContent).toBe(
      "https://bank.example (leads to evil.example)",
    );
  });

  it("shows controls of the direction in place of obeying them", () => {
    const { container } = render(<Markdown text={"run \u202egpj.exe\n\n```sh\nrm \u2066x\n```"} />);
    expect(container.textContent).toContain("run [U+202E]gpj.exe");
    expect(container.textContent).toContain("rm [U+2066]x");
  });

  it("cuts a line of five million characters until all of it is wanted", () => {
    const { container } = render(<Markdown text={"x".repeat(5_000_000)} />);
    expect(container.querySelector("pre")?.textContent?.length).toBe(20_000);
    expect(screen.getByRole("button", { name: "Show all 5,000,000 characters" })).toBeDefined();
  });
});

describe("a text that grows", () => {
  const text =
    "# One\n\nTwo *three*\n\n- a\n- b\n\n  c\n\n```js\nlet x;\n\nlet y;\n```\nEnd [l][1]\n\n[1]: https://x.example\n";

  it("has the same blocks at its end as if it had come at once", () => {
    const reader = new BlockReader();
    let grown = reader.read("");
    for (let length = 1; length <= text.length; length++)
      grown = reader.read(text.slice(0, length));
    expect(grown).toEqual(new BlockReader().read(text));
  });

  it("keeps the blocks that it does not change", () => {
    const reader = new BlockReader();
    const before = reader.read("One\n\nTwo\n\nThr");
    const after = reader.read("One\n\nTwo\n\nThree is long");
    expect(after[0]).toBe(before[0]);
    expect(after[1]).toBe(before[1]);
    expect(after[2]).not.toBe(before[2]);
  });

  it("keeps the elements of the blocks that it does not change", () => {
    const { container, rerender } = render(<Markdown text={"One\n\nTwo\n\nThr"} isGrowing />);
    const [first, second] = container.querySelectorAll("p");
    rerender(<Markdown text={"One\n\nTwo\n\nThree **bo"} isGrowing />);
    expect(container.querySelectorAll("p")[0]).toBe(first);
    expect(container.querySelectorAll("p")[1]).toBe(second);
    expect(container.querySelector("strong")?.textContent).toBe("bo");
  });
});

describe("blocks", () => {
  it("end at an empty line, but not inside of a list or of code", () => {
    expect(textsOf("a\nb\n\nc\n\n- d\n\n- e\n\n  f\n\ng")).toEqual([
      "a\nb",
      "c",
      "- d\n\n- e\n\n  f",
      "g",
    ]);
    expect(textsOf("a\n~~~\nb\n\nc\n~~~\nd")).toEqual(["a", "b\n\nc", "d"]);
  });

  it("of code name their language and whether more is to come", () => {
    const [block] = new BlockReader().read("```Python title\nprint(1)\n");
    expect(block).toMatchObject({
      kind: "code",
      language: "python",
      text: "print(1)\n",
      isOpen: true,
    });
  });

  it("do not end code at a shorter fence", () => {
    expect(textsOf("````\n```\nx\n```\n````\n")).toEqual(["```\nx\n```"]);
  });

  it("that refer to a definition get it", () => {
    const blocks = new BlockReader().read("See [it][1].\n\nNot.\n\n[1]: https://x.example");
    const [first, second] = blocks.map((block) => withDefinitions(block, definitionsIn(blocks)));
    expect(first).toBe("See [it][1].\n\n[1]: https://x.example");
    expect(second).toBe("Not.");
  });
});

describe("code", () => {
  it("is taken apart without losing a character", () => {
    const code = "async def append(self, a: int = 1) -> None:\n    return f'{a}'  # done\n";
    const flat = (piece: NonNullable<ReturnType<typeof piecesOf>>[number]): string =>
      typeof piece === "string" ? piece : piece.pieces.map(flat).join("");
    expect(piecesOf(code, "python")?.map(flat).join("")).toBe(code);
  });

  it("of an unknown language stays as it is", () => {
    expect(piecesOf("x", "klingon")).toBeNull();
  });
});
