/** Bytes that a message holds, as files of the page: nothing is loaded from elsewhere. */

import { useEffect, useState } from "react";

/** Return an address under which the page has these bytes, while the component is shown. */
export function useBlobUrl(base64: string, mediaType: string): string | null {
  const [url, setUrl] = useState<string | null>(null);
  useEffect(() => {
    const made = URL.createObjectURL(new Blob([bytesOf(base64)], { type: mediaType }));
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [base64, mediaType]);
  return url;
}

/** Let the browser save something as a file. */
export function saveAs(blob: Blob, filename: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = filename;
  link.click();
  URL.revokeObjectURL(url);
}

/** Return bytes in base64. */
export function base64Of(content: Uint8Array): string {
  const pieces: string[] = [];
  // A call takes only as many arguments as fit on the stack.
  for (let at = 0; at < content.length; at += 0x8000) {
    pieces.push(String.fromCharCode(...content.subarray(at, at + 0x8000)));
  }
  return btoa(pieces.join(""));
}

/** Return the bytes that base64 stands for. */
function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
