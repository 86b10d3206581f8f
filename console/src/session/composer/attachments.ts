/** Images and files that are attached to a message, and what the server takes of them. */

import { base64Of } from "../../parts/blobs";
import { bytes } from "../../parts/formats";
import type { Part } from "./outbox";

/** An image or file that will go with the message. */
export interface Attached {
  readonly key: string;
  readonly name: string;
  readonly kind: "image" | "pdf" | "text";
  readonly mediaType: string;
  readonly base64: string;
  readonly sizeBytes: number;
}

// Source: the contract, "Message" and "Images and files".
const MAX_BASE64 = 8 * 1024 * 1024;
const MAX_TEXT_BYTES = 1024 * 1024;
const MAX_PDFS = 5;
const MAX_PARTS = 100;
const IMAGE_TYPES: ReadonlySet<string> = new Set([
  "image/png",
  "image/jpeg",
  "image/gif",
  "image/webp",
]);

/** Read a file; returns why not in words if the server would not take it. */
export async function attachedOf(file: File): Promise<Attached | string> {
  // Nothing above the largest limit is worth reading.
  if (file.size > MAX_BASE64) return `${file.name} has ${bytes(file.size)}, which is too large.`;
  const content = new Uint8Array(await file.arrayBuffer());
  const common = {
    key: `${file.name} ${file.size} ${file.lastModified}`,
    name: file.name === "" ? "pasted" : file.name,
    base64: base64Of(content),
    sizeBytes: file.size,
  };
  if (IMAGE_TYPES.has(file.type)) return { ...common, kind: "image", mediaType: file.type };
  if (startsWith(content, "%PDF-")) return { ...common, kind: "pdf", mediaType: "application/pdf" };
  if (isText(content)) return { ...common, kind: "text", mediaType: "text/plain" };
  return `${common.name} is neither text in UTF-8, a PDF, nor an image of type PNG, JPEG, GIF or WebP.`;
}

/** Return what the server would refuse of a message with these attachments; null if nothing. */
export function problemWith(attached: readonly Attached[], text: string): string | null {
  const binary = attached.filter(({ kind }) => kind !== "text");
  const base64 = binary.reduce((sum, each) => sum + each.base64.length, 0);
  if (base64 > MAX_BASE64) {
    return "Images and PDFs of one message may have 6 MB together. Take some of them out.";
  }
  if (attached.filter(({ kind }) => kind === "pdf").length > MAX_PDFS) {
    return `One message may have ${MAX_PDFS} PDFs.`;
  }
  const texts = attached.filter(({ kind }) => kind === "text");
  const size = texts.reduce((sum, each) => sum + each.sizeBytes, 0) + sizeOf(text);
  if (size > MAX_TEXT_BYTES) return "The texts of one message may have 1 MB together.";
  if (attached.length >= MAX_PARTS) return `One message may have ${MAX_PARTS} parts.`;
  return null;
}

/** Return the parts of a message. */
export function partsOf(text: string, attached: readonly Attached[]): Part[] {
  const parts: Part[] = text.trim() === "" ? [] : [{ type: "text", text }];
  for (const { kind, mediaType, base64, name } of attached) {
    if (kind === "image") parts.push({ type: "image", media_type: mediaType, base64 });
    else parts.push({ type: "file", media_type: mediaType, base64, filename: name });
  }
  return parts;
}

function startsWith(content: Uint8Array, beginning: string): boolean {
  return [...beginning].every((character, at) => content[at] === character.charCodeAt(0));
}

function isText(content: Uint8Array): boolean {
  try {
    return !new TextDecoder("utf-8", { fatal: true }).decode(content).includes("\0");
  } catch {
    return false;
  }
}

function sizeOf(text: string): number {
  return new TextEncoder().encode(text).length;
}
