import { Link, useSearch } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { Button } from "../../parts/Button";
import { Curl } from "../../parts/Curl";
import { useNow } from "../../parts/now";
import { Empty, Failed, Loading } from "../../parts/State";
import { TableHead } from "../../parts/TableHead";
import tabs from "../../parts/Tabs.module.css";
import { isOpened, useFollowed, useFollower } from "../followed";
import type { Turn } from "../log/types";
import { axesOf, type Scale } from "./axis";
import { barsOf, spanOf } from "./bars";
import { Legend } from "./Legend";
import styles from "./Timeline.module.css";
import { TurnRows } from "./TurnRows";
import { describe, type Shown } from "./words";

const TURNS_AT_FIRST = 50;
const SCALES: readonly { scale: Scale; name: string }[] = [
  { scale: "turn", name: "Each turn" },
  { scale: "session", name: "All turns" },
];

/** What took time in a session: its turns, their model calls, tools and waits. */
export function Timeline({ sessionId }: { sessionId: string }) {
  const past = useFollowed(({ transcript }) => transcript.past);
  const current = useFollowed(({ transcript }) => transcript.current);
  const hasOpened = useFollowed(isOpened);
  const earlier = useFollowed((followed) => followed.earlier);
  const follower = useFollower();
  const { scale: named } = useSearch({ from: "/sessions/$sessionId" });
  const scale: Scale = named === "session" ? "session" : "turn";
  const [shownTurns, setShownTurns] = useState(TURNS_AT_FIRST);
  const [pointed, setPointed] = useState<Shown | null>(null);

  // A turn whose beginning is not loaded would be drawn too short.
  const loaded = useMemo(
    () =>
      [...past, ...(current === null ? [] : [current])].filter(
        ({ startedMs }) => startedMs !== null,
      ),
    [past, current],
  );
  const turns = loaded.slice(-shownTurns);
  const hasEarlier = turns.length < loaded.length || earlier.kind !== "none";

  function showEarlier() {
    const wanted = shownTurns + TURNS_AT_FIRST;
    setShownTurns(wanted);
    if (loaded.length < wanted && earlier.kind !== "none") void follower.loadEarlier();
  }

  if (!hasOpened) return <Loading rows={8} />;
  if (loaded.length === 0) return <Nothing sessionId={sessionId} />;
  return (
    <div className={styles.timeline}>
      <header className={styles.head}>
        <nav aria-label="Scale" className={styles.scales}>
          {SCALES.map(({ scale: choice, name }) => (
            <Link
              key={choice}
              from="/sessions/$sessionId"
              to="."
              search={({ scale: _, ...search }) =>
                choice === "turn" ? search : { ...search, scale: choice }
              }
              replace
              resetScroll={false}
              activeOptions={{ exact: true }}
              className={tabs.tab}
              aria-current={choice === scale ? "true" : undefined}
            >
              {name}
            </Link>
          ))}
        </nav>
        <Legend />
      </header>
      {earlier.kind === "failed" && <Failed error={earlier.failure} retry={follower.loadEarlier} />}
      {hasEarlier && (
        <Button tone="quiet" isBusy={earlier.kind === "loading"} onClick={showEarlier}>
          Show earlier turns
        </Button>
      )}
      <Waterfall turns={turns} scale={scale} onPoint={setPointed} />
      <p className={styles.pointed} aria-hidden="true">
        {pointed === null ? "Point at a row for its exact times." : describe(pointed)}
      </p>
    </div>
  );
}

interface WaterfallProps {
  turns: readonly Turn[];
  scale: Scale;
  onPoint: (shown: Shown | null) => void;
}

function Waterfall({ turns, scale, onPoint }: WaterfallProps) {
  const activity = useFollowed(({ transcript }) => transcript.activity);
  const nowMs = useNow(1000).getTime();
  const newest = turns.at(-1);
  const bars = useMemo(
    () => new Map(turns.map((turn) => [turn, barsOf(turn, turn.isOpen ? activity : null)])),
    [turns, activity],
  );
  const spans = turns.map((turn) => spanOf(turn, bars.get(turn) ?? [], nowMs));
  const axes = axesOf(spans, scale);

  return (
    <table className={styles.table} onPointerLeave={() => onPoint(null)}>
      <TableHead
        columns={[
          "What",
          { name: "After", className: styles.number },
          { name: "Took", className: styles.number },
          { name: "Bar", isOnlySaid: true, className: styles.track },
        ]}
      />
      {turns.map((turn, place) => {
        const span = spans[place];
        const axis = axes[place];
        if (span === undefined || axis === undefined) return null;
        return (
          <TurnRows
            key={turn.key}
            turn={turn}
            bars={bars.get(turn) ?? NO_BARS}
            startMs={span.startMs}
            endMs={span.endMs}
            axisStartMs={axis.startMs}
            axisLengthMs={axis.lengthMs}
            isOpenAtFirst={turn === newest}
            isWaiting={turn.isOpen && activity.kind === "waiting"}
            onPoint={onPoint}
          />
        );
      })}
    </table>
  );
}

const NO_BARS = [] as const;

function Nothing({ sessionId }: { sessionId: string }) {
  return (
    <Empty>
      <p>There is no turn yet. When a message is sent, what its turn does is drawn here.</p>
      <Curl method="POST" path={`/v1/sessions/${sessionId}/messages`} body={{ content: "Hello" }} />
    </Empty>
  );
}
