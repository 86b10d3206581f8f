import { LongText } from "../../parts/LongText";
import type { ToolCallResult } from "../log/callTypes";
import { Attachment } from "./Attachment";
import { shownJson } from "./values";

/** What a tool returned: its value, its parts or its error. */
export function Result({ result }: { result: ToolCallResult }) {
  if (result.error !== null) return <LongText text={result.error} />;
  if (result.parts === null) return <LongText text={shownJson(result.value)} />;
  return (
    <>
      {result.parts.map((part, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: parts of a result never change.
        <Attachment key={at} part={part} />
      ))}
    </>
  );
}
