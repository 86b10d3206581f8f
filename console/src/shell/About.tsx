import styles from "./Shell.module.css";
import type { Server } from "./server";

interface AboutProps {
  server: Server;
  onKeys: () => void;
}

/** What stands below the navigation: the API, the keys, the version. */
export function About({ server, onKeys }: AboutProps) {
  return (
    <footer className={styles.about}>
      {server.hasDocs && <a href="/swagger-ui/">API</a>}
      <button type="button" className={styles.quiet} onClick={onKeys}>
        Keys
      </button>
      <span>{server.version === undefined ? "" : `v${server.version}`}</span>
    </footer>
  );
}
