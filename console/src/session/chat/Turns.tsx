import { useFollowed } from "../followed";
import { stretchesOf } from "./stretches";
import { TurnView } from "./TurnView";

/** All turns that are loaded. A delta draws none of them again: the draft listens by itself. */
export function Turns() {
  const past = useFollowed(({ transcript }) => transcript.past);
  const current = useFollowed(({ transcript }) => transcript.current);
  const draftId = useFollowed(({ transcript }) => transcript.draft?.messageId ?? null);
  const last = current ?? past.at(-1);
  const stretches = stretchesOf(current === null ? past : [...past, current]);
  return stretches.map(({ key, turns }) => (
    <div key={key}>
      {turns.map((turn) => (
        <TurnView
          key={turn.key}
          turn={turn}
          isLast={turn === last}
          draftId={turn === last ? draftId : null}
        />
      ))}
    </div>
  ));
}
