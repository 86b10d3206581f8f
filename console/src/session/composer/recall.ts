/** What the user has sent before, to be sent in other words. */

import type { Transcript } from "../log/types";
import { textOf } from "./outbox";

/** Return the texts of the loaded messages of the user, newest first, each once. */
export function sentTexts({ past, current }: Transcript): string[] {
  const turns = current === null ? past : [...past, current];
  const texts = turns
    .flatMap(({ items }) => items)
    .flatMap((item) => (item.kind === "user" ? [textOf(textsIn(item.message.content))] : []))
    .filter((text) => text !== "")
    .reverse();
  return [...new Set(texts)];
}

function textsIn(content: readonly { type: string }[]): { type: string; text: string }[] {
  return content.flatMap((part) =>
    "text" in part && typeof part.text === "string" ? [{ type: part.type, text: part.text }] : [],
  );
}
