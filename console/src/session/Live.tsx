import { useNow } from "../parts/now";
import { useFollowed } from "./followed";
import styles from "./Live.module.css";
import { activityTone, activityWords, connectionWords } from "./words";

/** What the session does now, and how the page is connected to it. */
export function Live() {
  const activity = useFollowed(({ transcript }) => transcript.activity);
  const connection = useFollowed((followed) => followed.connection);
  const now = useNow(1000).getTime();
  const isTroubled = connection.kind !== "connected" && connection.kind !== "connecting";
  return (
    <p className={styles.live}>
      <span className={styles.activity} data-tone={activityTone(activity)}>
        {activityWords(activity, now)}
      </span>
      <span className={styles.connection} data-troubled={isTroubled}>
        {connectionWords(connection, now)}
      </span>
    </p>
  );
}
