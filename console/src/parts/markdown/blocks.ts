/**
 * Markdown cut into its top-level blocks, so that a text that grows is read again at its end only.
 *
 * Blocks are rather too large than too small: two blocks in one read the same as apart.
 */

/** A top-level block of a text. */
export interface Block {
  /** Where it begins in the text; it keeps its place while the text grows. */
  readonly start: number;
  readonly kind: "prose" | "code";
  /** Its Markdown, or the code without its fences. */
  readonly text: string;
  /** What the code is written in, as the fence says. */
  readonly language: string | null;
  /** Whether the fence of the code has not been closed. */
  readonly isOpen: boolean;
}

interface Fence {
  readonly mark: string;
  readonly language: string;
}

const FENCE = /^( {0,3})(`{3,}|~{3,})\s*([^\s`]*)[^`]*$/;
const LIST_ITEM = /^(?:[-+*]|\d{1,9}[.)])(?:\s|$)/;
const DEFINITION = /^\[[^\]]+\]:/;

/** Reads one text as it grows. Blocks that have not changed stay the same objects. */
export class BlockReader {
  private text = "";
  private blocks: readonly Block[] = [];

  /** Return the blocks of the text as it is now. */
  read(text: string): readonly Block[] {
    if (text === this.text) return this.blocks;
    // An unfinished line can turn out to belong to the block before it.
    const settled = text.startsWith(this.text) ? this.blocks.slice(0, -2) : [];
    const from = settled.length === 0 ? 0 : (this.blocks[settled.length]?.start ?? 0);
    const read = blocksFrom(text, from);
    const before = this.blocks;
    this.text = text;
    this.blocks = [
      ...settled,
      ...read.map((block, at) => {
        const known = before[settled.length + at];
        return known !== undefined && isSame(known, block) ? known : block;
      }),
    ];
    return this.blocks;
  }
}

/** Return the definitions of links and footnotes, which count in all blocks. */
export function definitionsIn(blocks: readonly Block[]): string {
  return blocks
    .filter(({ kind, text }) => kind === "prose" && DEFINITION.test(text))
    .map(({ text }) => text)
    .join("\n\n");
}

/** Return a block's Markdown with the definitions that it may refer to. */
export function withDefinitions({ text }: Block, definitions: string): string {
  const mayRefer = definitions !== "" && text.includes("[") && !DEFINITION.test(text);
  return mayRefer ? `${text}\n\n${definitions}` : text;
}

function blocksFrom(text: string, from: number): Block[] {
  const blocks: Block[] = [];
  let start = from;
  let fence: Fence | null = null;
  let isCode = false;
  let isList = false;
  let isAfterBlank = true;

  const end = (at: number) => {
    if (text.slice(start, at).trim() !== "") blocks.push(proseBlock(text, start, at));
    start = at;
    isList = false;
  };

  for (const { at, line, next } of linesOf(text, from)) {
    if (fence !== null) {
      if (!closes(line, fence)) continue;
      if (isCode) {
        blocks.push(codeBlock(text, start, at, fence, false));
        start = next;
        isAfterBlank = true;
      }
      fence = null;
      isCode = false;
      continue;
    }
    if (line.trim() === "") {
      isAfterBlank = true;
      continue;
    }
    const isIndented = line.startsWith(" ") || line.startsWith("\t");
    const opened = FENCE.exec(line);
    if (opened !== null && !(isIndented && isList)) {
      fence = { mark: opened[2] ?? "", language: opened[3] ?? "" };
      isCode = !isIndented;
      if (isCode) end(at);
    } else if (isAfterBlank && !isIndented) {
      const isItem = LIST_ITEM.test(line);
      if (!(isList && isItem)) end(at);
      isList = isItem;
    }
    isAfterBlank = false;
  }
  if (fence !== null && isCode) blocks.push(codeBlock(text, start, text.length, fence, true));
  else end(text.length);
  return blocks;
}

function* linesOf(text: string, from: number) {
  let at = from;
  while (at < text.length) {
    const found = text.indexOf("\n", at);
    const next = found === -1 ? text.length : found + 1;
    yield { at, line: text.slice(at, found === -1 ? next : found).replace(/\r$/, ""), next };
    at = next;
  }
}

function closes(line: string, { mark }: Fence): boolean {
  const closing = line.trim();
  const isIndentedCode = line.startsWith("    ");
  return (
    !isIndentedCode && closing.startsWith(mark) && closing === mark.charAt(0).repeat(closing.length)
  );
}

function proseBlock(text: string, start: number, end: number): Block {
  const prose = text.slice(start, end).replace(/\s+$/, "");
  return { start, kind: "prose", text: prose, language: null, isOpen: false };
}

function codeBlock(text: string, start: number, end: number, fence: Fence, isOpen: boolean): Block {
  const firstLine = text.indexOf("\n", start);
  const code = firstLine === -1 ? "" : text.slice(firstLine + 1, Math.max(end, firstLine + 1));
  const language = fence.language === "" ? null : fence.language.toLowerCase();
  return {
    start,
    kind: "code",
    text: isOpen ? code : code.replace(/\r?\n$/, ""),
    language,
    isOpen,
  };
}

function isSame(one: Block, other: Block): boolean {
  return (
    one.start === other.start &&
    one.kind === other.kind &&
    one.language === other.language &&
    one.isOpen === other.isOpen &&
    one.text === other.text
  );
}
