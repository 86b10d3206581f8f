import { withVisibleControls } from "../../parts/controls";
import { State } from "../../parts/State";
import { FileLink } from "./FileLink";
import styles from "./Found.module.css";
import { useMatches } from "./queries";
import type { FileInfo } from "./tree";

interface FoundProps {
  workspaceId: string;
  files: readonly FileInfo[];
  text: string;
}

/** Files whose names contain a text, and lines that match it as a regular expression. */
export function Found({ workspaceId, files, text }: FoundProps) {
  const matches = useMatches(workspaceId, text);
  const named = files.filter(({ path }) => path.toLowerCase().includes(text.toLowerCase()));
  return (
    <div className={styles.found}>
      <h2 className={styles.title}>Names</h2>
      {named.length === 0 && <p className={styles.none}>No name contains it.</p>}
      <ul>
        {named.map(({ path }) => (
          <li key={path}>
            <FileLink path={path} className={styles.link}>
              {withVisibleControls(path)}
            </FileLink>
          </li>
        ))}
      </ul>
      <h2 className={styles.title}>Lines</h2>
      <State
        query={matches}
        isEmpty={(found) => found.length === 0}
        empty={<p className={styles.none}>No line matches it as a regular expression.</p>}
      >
        {(found) =>
          found.map((file) => (
            <section key={file.path} aria-label={file.path}>
              <h3 className={styles.path}>{withVisibleControls(file.path)}</h3>
              <ul>
                {file.matches.map(({ line_number: line, line: words }) => (
                  <li key={line}>
                    <FileLink path={file.path} line={line} className={styles.link}>
                      <span className={styles.number}>{line}</span>
                      <code>{withVisibleControls(words)}</code>
                    </FileLink>
                  </li>
                ))}
              </ul>
            </section>
          ))
        }
      </State>
    </div>
  );
}
