/** Files of this computer as files of an agent. */

import { base64Of } from "../parts/blobs";
import type { InitialFile } from "./draft";

/** Return a file as the wire has it: as text if it is UTF-8, otherwise in base64. */
export async function readFile(file: File): Promise<InitialFile> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const path = `/${file.name}`;
  try {
    const content = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    if (!content.includes("\0")) return { path, content, encoding: "text" };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
  return { path, content: base64Of(bytes), encoding: "base64" };
}
