/** What a workspace holds at most, and what is said before more is sent. */

import { exact } from "../../parts/formats";
import type { FileInfo } from "./tree";

const MIB = 1024 * 1024;
export const MAX_FILE_BYTES = MIB;
const MAX_WORKSPACE_BYTES = 64 * MIB;
const MAX_ENTRIES = 1000;
const MAX_PATH_BYTES = 4096;
const MAX_DEPTH = 64;

/** Browsers need seconds to lay out a field of more lines, and long for each letter. */
const MAX_EDITED_LINES = 50_000;

/** The limits as a sentence. */
export const LIMITS = "A workspace holds up to 1,000 entries, 1 MB each and 64 MB together.";

/** Something that is about to be sent. */
export interface Upload {
  readonly path: string;
  readonly size: number;
}

/** Return why the server would refuse uploads, or null if it would take them. */
export function refusalOf(uploads: readonly Upload[], files: readonly FileInfo[]): string | null {
  for (const { path, size } of uploads) {
    const refusal = refusalOfPath(path);
    if (refusal !== null) return refusal;
    if (size > MAX_FILE_BYTES) {
      return `${path} has ${exact(size)} bytes; a file may have ${exact(MAX_FILE_BYTES)}.`;
    }
  }
  const there = new Map(files.map((file) => [file.path, file]));
  const added = uploads.filter(({ path }) => !there.has(path)).length;
  if (files.length + added > MAX_ENTRIES) {
    return `With these there would be ${exact(files.length + added)} entries; a workspace holds ${exact(MAX_ENTRIES)}.`;
  }
  const replaced = uploads.reduce((sum, { path }) => sum + (there.get(path)?.size_bytes ?? 0), 0);
  const total = sizeOf(files) - replaced + uploads.reduce((sum, { size }) => sum + size, 0);
  if (total > MAX_WORKSPACE_BYTES) {
    return `With these there would be ${exact(total)} bytes; a workspace holds ${exact(MAX_WORKSPACE_BYTES)}.`;
  }
  const closed = uploads.find(({ path }) => there.get(path)?.is_readonly);
  if (closed !== undefined) return `${closed.path} is read-only.`;
  const folder = uploads.find(({ path }) => there.get(path)?.is_directory);
  if (folder !== undefined) return `${folder.path} is a folder.`;
  return null;
}

/** Return why the server would refuse a path, or null if it would take it. */
export function refusalOfPath(path: string): string | null {
  const parts = path.split("/").slice(1);
  if (!path.startsWith("/") || parts.some((part) => part === "")) {
    return "A path begins with / and has a name after each /.";
  }
  if (parts.some((part) => part === "." || part === ".."))
    return "A path must not contain . or .. as a name.";
  if (parts[0] === "_") return "Paths under /_ are the server's own.";
  if (new TextEncoder().encode(path).length > MAX_PATH_BYTES)
    return "A path has up to 4,096 bytes.";
  if (parts.length > MAX_DEPTH) return "A path goes up to 64 folders deep.";
  return null;
}

/** Tell whether a text can be edited in a field without stopping the page. */
export function isEditable(text: string): boolean {
  return countLines(text) <= MAX_EDITED_LINES;
}

/** Return how many lines a text has; what ends the last one begins no other. */
export function countLines(text: string): number {
  let count = 0;
  for (let at = 0; at < text.length; count++) {
    const end = text.indexOf("\n", at);
    at = end === -1 ? text.length : end + 1;
  }
  return count;
}

/** Return how many bytes files have together. */
export function sizeOf(files: readonly FileInfo[]): number {
  return files.reduce((sum, file) => sum + file.size_bytes, 0);
}
