import { Fragment, memo, type ReactNode } from "react";
import type { Item } from "../log/itemTypes";
import type { Turn } from "../log/types";
import { Answer } from "./Answer";
import { Fold } from "./Fold";
import { ItemView } from "./ItemView";
import notes from "./Notes.module.css";
import { Outcome } from "./Outcome";
import { runsOf } from "./superseded";
import styles from "./TurnView.module.css";

interface TurnViewProps {
  turn: Turn;
  /** Whether no turn comes after it. */
  isLast: boolean;
  /** The answer that is being written in it. */
  draftId: string | null;
}

// So many of an open turn's newest items are always laid out: they change, and are in view.
const UNSETTLED = 10;

/** A turn: what was said and done in it, and how it ended. */
export const TurnView = memo(function TurnView({ turn, isLast, draftId }: TurnViewProps) {
  const entry = (key: string, content: ReactNode, isSettled = false) => (
    <div key={key} className={styles.item} data-settled={isSettled}>
      {content}
    </div>
  );
  const newest = turn.isOpen ? turn.items.slice(-UNSETTLED)[0] : undefined;
  const isSettled = (item: Item) => newest === undefined || item.sequence < newest.sequence;
  const entries = runsOf(turn.items).flatMap((run) => {
    if (!run.isSuperseded) {
      return run.items.map((item) => entry(item.key, drawn(item), isSettled(item)));
    }
    return [
      entry(
        `superseded ${run.key}`,
        <Fold summary={<span className={notes.note}>{retriedWords(run.items)}</span>}>
          {() => run.items.map((item) => <Fragment key={item.key}>{drawn(item)}</Fragment>)}
        </Fold>,
      ),
    ];
  });
  // The draft has the key and the component of the answer that it becomes: its elements stay.
  if (draftId !== null) entries.push(entry(draftId, <Answer messageId={draftId} item={null} />));
  if (turn.outcome !== null && turn.outcome.kind !== "completed") {
    const { outcome, retriedBy } = turn;
    const isRetried = retriedBy !== null;
    entries.push(
      entry("outcome", <Outcome outcome={outcome} isLast={isLast} isRetried={isRetried} />),
    );
  }
  return <>{entries}</>;
});

function drawn(item: Item): ReactNode {
  return item.kind === "answer" ? (
    <Answer messageId={item.key} item={item} />
  ) : (
    <ItemView item={item} />
  );
}

function retriedWords(items: readonly Item[]): string {
  const entries = items.length === 1 ? "1 entry has" : `${items.length} entries have`;
  return `Retried: ${entries} left the conversation`;
}
