import { Button } from "../../parts/Button";
import { CopyButton } from "../../parts/CopyButton";
import { shortId } from "../../parts/formats";
import { SearchField } from "../../parts/SearchField";
import type { SessionSearch } from "../../searches";
import styles from "./Events.module.css";
import { type EventFilter, GROUPS, typesInAddress } from "./filter";

interface EventBarProps {
  sessionId: string;
  filter: EventFilter;
  find: string;
  onChange: (change: { [Name in keyof SessionSearch]: SessionSearch[Name] | undefined }) => void;
  /** Called with the sequence of the event to go to. */
  onJump: (sequence: number) => void;
}

/** Which events are shown, and ways to one of them. */
export function EventBar({ sessionId, filter, find, onChange, onJump }: EventBarProps) {
  const { types, turnId } = filter;
  return (
    <search className={styles.bar}>
      <SearchField
        label="Search the JSON of what is loaded"
        className={styles.search}
        value={find}
        onSearch={(text) => onChange({ find: text })}
      />
      <select
        aria-label="Type"
        value={typesInAddress(types) ?? ""}
        onChange={(event) => onChange({ type: event.target.value })}
      >
        <option value="">All types</option>
        {GROUPS.map((group) => (
          <optgroup key={group.name} label={group.name}>
            {group.types.length > 1 && (
              <option value={typesInAddress(group.types)}>{group.name}: all</option>
            )}
            {group.types.map((type) => (
              <option key={type} value={type}>
                {type}
              </option>
            ))}
          </optgroup>
        ))}
        {!isOffered(types) && <option value={typesInAddress(types)}>{types.join(", ")}</option>}
      </select>
      <input
        type="number"
        min={1}
        aria-label="Go to a sequence"
        placeholder="Go to #"
        className={styles.jump}
        onKeyDown={(event) => {
          if (event.key !== "Enter") return;
          const sequence = event.currentTarget.valueAsNumber;
          if (Number.isInteger(sequence) && sequence >= 1) onJump(sequence);
        }}
      />
      {turnId !== null && (
        <Button onClick={() => onChange({ turn: undefined })}>
          {shortId(turnId)} only <span aria-hidden="true">×</span>
          <span className="visually-hidden">: show all turns</span>
        </Button>
      )}
      <CopyButton label="Copy stream as curl" text={() => streamCommand(sessionId, 0)} />
    </search>
  );
}

/** Return the command that follows a session's events from after a sequence on. */
export function streamCommand(sessionId: string, afterSequence: number): string {
  const path = `/v1/sessions/${sessionId}/events?after_sequence=${afterSequence}`;
  return `curl -sN '${window.location.origin}${path}'`;
}

function isOffered(types: EventFilter["types"]): boolean {
  const named = typesInAddress(types);
  return types.length <= 1 || GROUPS.some((group) => typesInAddress(group.types) === named);
}
