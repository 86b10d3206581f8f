/** The images and files that will go with the message. */

import { useCallback, useState } from "react";
import { type Attached, attachedOf, problemWith } from "./attachments";

/** Return what is attached, and how to change it. */
export function useAttached() {
  const [files, setFiles] = useState<readonly Attached[]>([]);
  const [problems, setProblems] = useState<readonly string[]>([]);

  const add = useCallback(async (added: Iterable<File>) => {
    const read = await Promise.all(Array.from(added, attachedOf));
    const taken = read.filter((each) => typeof each !== "string");
    setProblems(read.filter((each) => typeof each === "string"));
    setFiles((now) => [
      ...now.filter((one) => !taken.some(({ key }) => key === one.key)),
      ...taken,
    ]);
  }, []);

  const remove = useCallback((removed: Attached) => {
    setFiles((now) => now.filter((each) => each !== removed));
  }, []);

  const clear = useCallback(() => {
    setFiles([]);
    setProblems([]);
  }, []);

  return {
    files,
    problems,
    add,
    remove,
    clear,
    problemWith: (text: string) => problemWith(files, text),
  };
}
