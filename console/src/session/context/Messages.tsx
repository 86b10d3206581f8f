import { Tokens } from "../../parts/Amounts";
import { Button } from "../../parts/Button";
import { withVisibleControls } from "../../parts/controls";
import { exact } from "../../parts/formats";
import { LongText } from "../../parts/LongText";
import { Attachment } from "../chat/Attachment";
import { Fold } from "../chat/Fold";
import { briefArguments, shownJson } from "../chat/values";
import type { ContentPart } from "../log/wire";
import styles from "./Context.module.css";
import { type ModelContext, PAGE } from "./queries";
import { kindWords } from "./words";

interface MessagesProps {
  page: ModelContext["messages"];
  /** Show the page that begins there; null is the newest. */
  onMove: (offset: number | null) => void;
}

/** The messages as the model gets them, page by page. */
export function Messages({ page, onMove }: MessagesProps) {
  const { data, offset, total } = page;
  const end = offset + data.length;
  return (
    <section aria-labelledby="context-messages">
      <h2 id="context-messages">Messages</h2>
      {total === 0 && <p>No messages yet.</p>}
      <ul className={styles.list}>
        {data.map(({ kind, message, tokens }) => (
          <li key={`${message.id} ${kind}`}>
            <Fold
              summary={
                <span className={styles.row}>
                  <span className={styles.role}>{message.role}</span>
                  <span className={styles.brief}>{briefOf(message.content)}</span>
                  {kindWords(kind) !== null && (
                    <span className={styles.source}>{kindWords(kind)}</span>
                  )}
                  <Tokens count={tokens} />
                </span>
              }
            >
              {() =>
                message.content.map((part, at) => (
                  // biome-ignore lint/suspicious/noArrayIndexKey: parts of a message never change.
                  <Part key={at} part={part} />
                ))
              }
            </Fold>
          </li>
        ))}
      </ul>
      {total > data.length && (
        <p className={styles.pages}>
          <Button disabled={offset === 0} onClick={() => onMove(Math.max(0, offset - PAGE))}>
            Earlier
          </Button>
          {exact(offset + 1)} to {exact(end)} of {exact(total)}
          <Button disabled={end >= total} onClick={() => onMove(end)}>
            Later
          </Button>
        </p>
      )}
    </section>
  );
}

function Part({ part }: { part: ContentPart }) {
  switch (part.type) {
    case "tool_call":
      return <LongText text={`${part.name} ${shownJson(part.arguments ?? {})}`} />;
    case "tool_result":
      return part.parts == null ? (
        <LongText text={part.error ?? shownJson(part.result)} />
      ) : (
        part.parts.map((each, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: parts of a result never change.
          <Attachment key={at} part={each} />
        ))
      );
    case "output":
      return <LongText text={part.error ?? shownJson(part.value)} />;
    default:
      return <Attachment part={part} />;
  }
}

function briefOf(content: readonly ContentPart[]): string {
  const words = content.map((part) => {
    if (part.type === "text") return part.text.slice(0, 160);
    if (part.type === "tool_call") return `${part.name}(${briefArguments(part.arguments ?? {})})`;
    if (part.type === "tool_result") return part.error ?? shownJson(part.result).slice(0, 160);
    return part.type;
  });
  return withVisibleControls(words.join(" ").slice(0, 160));
}
