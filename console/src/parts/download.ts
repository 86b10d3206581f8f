/** Files that the server makes, saved by the browser. */

import { answered } from "../api/client";
import { saveAs } from "./blobs";

/**
 * Ask for a file and save it under a name.
 *
 * A link could not do it: it would send no API key.
 *
 * @param request - A request with `parseAs: "blob"`.
 * @throws Failure - The server made no file.
 */
export async function download(
  request: Promise<{ data?: Blob; response: Response }>,
  name: string,
): Promise<void> {
  saveAs(await answered(request), name);
}
