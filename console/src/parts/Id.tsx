import { useCopy } from "./copying";
import { shortId } from "./formats";
import styles from "./Id.module.css";

/** An id in short; a click copies all of it. */
export function Id({ id }: { id: string }) {
  const [outcome, copy] = useCopy();
  return (
    <button
      type="button"
      className={styles.id}
      title={`${id} (click to copy)`}
      onClick={() => void copy(id)}
    >
      <code>{shortId(id)}</code>
      <span role="status" className={styles.copied}>
        {outcome?.toLowerCase()}
      </span>
    </button>
  );
}
