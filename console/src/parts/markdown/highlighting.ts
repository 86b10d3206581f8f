/** Code taken apart by highlight.js into pieces with scopes. No HTML is made of it. */

import type { Emitter } from "highlight.js";
import highlighter from "highlight.js/lib/core";
import bash from "highlight.js/lib/languages/bash";
import c from "highlight.js/lib/languages/c";
import css from "highlight.js/lib/languages/css";
import diff from "highlight.js/lib/languages/diff";
import go from "highlight.js/lib/languages/go";
import ini from "highlight.js/lib/languages/ini";
import java from "highlight.js/lib/languages/java";
import javascript from "highlight.js/lib/languages/javascript";
import json from "highlight.js/lib/languages/json";
import markdown from "highlight.js/lib/languages/markdown";
import python from "highlight.js/lib/languages/python";
import rust from "highlight.js/lib/languages/rust";
import shell from "highlight.js/lib/languages/shell";
import sql from "highlight.js/lib/languages/sql";
import typescript from "highlight.js/lib/languages/typescript";
import xml from "highlight.js/lib/languages/xml";
import yaml from "highlight.js/lib/languages/yaml";

/** Text, or pieces that belong to a scope such as `keyword`. */
export type Piece = string | Scoped;

interface Scoped {
  readonly scope: string;
  readonly pieces: Piece[];
}

/** Collects what the highlighter finds. */
class PieceEmitter implements Emitter {
  readonly pieces: Piece[] = [];
  private readonly open: Scoped[] = [];

  addText(text: string): void {
    if (text !== "") this.inner.push(text);
  }

  startScope(name: string): void {
    const scoped: Scoped = { scope: name.split(".", 1)[0] ?? name, pieces: [] };
    this.inner.push(scoped);
    this.open.push(scoped);
  }

  endScope(): void {
    this.open.pop();
  }

  // The highlighter's own names for the same, which it uses as well.
  openNode(name: string): void {
    this.startScope(name);
  }

  closeNode(): void {
    this.endScope();
  }

  __addSublanguage(emitter: Emitter, name: string): void {
    if (emitter instanceof PieceEmitter) this.inner.push({ scope: name, pieces: emitter.pieces });
  }

  finalize(): void {
    this.open.length = 0;
  }

  toHTML(): string {
    return "";
  }

  private get inner(): Piece[] {
    return this.open.at(-1)?.pieces ?? this.pieces;
  }
}

highlighter.configure({ __emitter: PieceEmitter });
const LANGUAGES = {
  bash,
  c,
  css,
  diff,
  go,
  ini,
  java,
  javascript,
  json,
  markdown,
  python,
  rust,
  shell,
  sql,
  typescript,
  xml,
  yaml,
};
for (const [name, language] of Object.entries(LANGUAGES)) {
  highlighter.registerLanguage(name, language);
}

/** Return the pieces of code; null in a language that is not known. */
export function piecesOf(code: string, language: string): Piece[] | null {
  if (highlighter.getLanguage(language) === undefined) return null;
  const { _emitter, errorRaised } = highlighter.highlight(code, { language, ignoreIllegals: true });
  if (errorRaised !== undefined) return null;
  return _emitter instanceof PieceEmitter ? _emitter.pieces : null;
}
