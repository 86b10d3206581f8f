import { memo } from "react";
import { withVisibleControls } from "../../parts/controls";
import { duration } from "../../parts/formats";
import { LongText } from "../../parts/LongText";
import { useNow } from "../../parts/now";
import type { ToolCallItem, ToolCallResult } from "../log/callTypes";
import type { Wait } from "../log/wire";
import { left, timeLeft, waitWords } from "../words";
import { ApprovalNote } from "./ApprovalNote";
import { ApprovalRequest } from "./ApprovalRequest";
import { ClientTool } from "./ClientTool";
import { Fold } from "./Fold";
import { Answers, Questions } from "./Questions";
import { Request } from "./Request";
import { Result } from "./Result";
import styles from "./ToolCard.module.css";
import { briefArguments, shownJson } from "./values";

/** How much of an error stands in the line of its call. */
const MAX_ERROR = 160;

/** A tool call: what was asked of whom, what came of it, and what somebody is to do about it. */
export const ToolCard = memo(function ToolCard({ item }: { item: ToolCallItem }) {
  const asks = item.questions.length > 0;
  return (
    <article
      className={styles.card}
      aria-label={`Tool call ${item.name}`}
      data-waits={item.wait !== null}
      // It takes the focus of what was done about it.
      tabIndex={-1}
    >
      <Fold
        summary={
          <span className={styles.summary}>
            <code className={styles.name}>{item.name}</code>
            <span className={styles.arguments}>
              {item.arguments !== null && !asks && briefArguments(item.arguments)}
            </span>
            <CallState item={item} />
          </span>
        }
      >
        {() => <Details item={item} />}
      </Fold>
      {item.progress !== null && <p className={styles.note}>{item.progress}</p>}
      {item.approval !== null && <ApprovalNote approval={item.approval} />}
      {item.questions.map((asked) => (
        <Answers key={asked.askedMs} round={asked} />
      ))}
      {item.wait !== null && (
        // A call can ask several times: each is a request of its own.
        <Request key={item.askedSequence}>
          <Asked item={item} wait={item.wait} />
        </Request>
      )}
    </article>
  );
});

function Asked({ item, wait }: { item: ToolCallItem; wait: Wait }) {
  const round = item.questions.at(-1);
  switch (wait.type) {
    case "approval":
      return <ApprovalRequest item={item} wait={wait} />;
    case "question":
      return round && <Questions callId={item.key} round={round} wait={wait} />;
    case "tool_call":
      return <ClientTool item={item} wait={wait} />;
  }
}

function Details({ item }: { item: ToolCallItem }) {
  return (
    <>
      <section>
        <h3 className={styles.heading}>Arguments</h3>
        {item.arguments === null ? (
          <p>They are in earlier events, which are not loaded.</p>
        ) : (
          <LongText text={shownJson(item.arguments)} />
        )}
      </section>
      {item.refusal !== null && <p className={styles.bad}>{item.refusal}</p>}
      {item.runs > 1 && <p>Its tool was started {item.runs} times.</p>}
      {item.result !== null && (
        <section>
          <h3 className={styles.heading}>{item.result.error === null ? "Result" : "Error"}</h3>
          <Result result={item.result} />
        </section>
      )}
    </>
  );
}

function CallState({ item }: { item: ToolCallItem }) {
  const { result } = item;
  if (result !== null) {
    return (
      <span className={styles.state} data-tone={result.succeeded ? "quiet" : "bad"}>
        <span className={styles.outcome}>{outcomeWords(item, result)}</span>
        {result.durationMs > 0 && <span>{duration(result.durationMs)}</span>}
      </span>
    );
  }
  if (item.state === "requested") return <span className={styles.state}>about to run</span>;
  if (item.state === "suspended") return <span className={styles.state}>suspended</span>;
  if (item.state === "abandoned") {
    return <span className={styles.state}>ended with its turn, without a result</span>;
  }
  return <RunningState item={item} />;
}

function RunningState({ item }: { item: ToolCallItem }) {
  const now = useNow(1000).getTime();
  const { wait } = item;
  if (wait !== null) {
    const remaining = timeLeft(wait, now);
    return (
      <span className={styles.state} data-tone="attention">
        waits for {waitWords(wait)}
        {remaining !== null && <span>{remaining}</span>}
      </span>
    );
  }
  if (item.state === "sleeping") {
    return <span className={styles.state}>goes on in {left(item.sleepsUntilMs ?? now, now)}</span>;
  }
  return (
    <span className={styles.state} data-tone="busy">
      running
      <span>{duration(Math.max(0, now - item.sinceMs))}</span>
    </span>
  );
}

function outcomeWords({ approval }: ToolCallItem, { succeeded, error }: ToolCallResult): string {
  if (succeeded) return "done";
  if (approval?.state === "rejected") return "rejected";
  const [firstLine = ""] = (error ?? "failed").split("\n", 1);
  return withVisibleControls(firstLine.slice(0, MAX_ERROR));
}
