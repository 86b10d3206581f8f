import { State } from "../parts/State";
import { useViews } from "./queries";
import styles from "./Sql.module.css";

/** What can be queried. A click on a name writes it into the query. */
export function Views({ onPick }: { onPick: (name: string) => void }) {
  const views = useViews();
  return (
    <section className={styles.views}>
      <h2>Views</h2>
      <State query={views} rows={7}>
        {(all) =>
          all.map(({ name, columns }) => (
            <details key={name}>
              <summary>
                <code>{name}</code>
              </summary>
              <ul>
                {columns.map((column) => (
                  <li key={column.name}>
                    <button
                      type="button"
                      className={styles.column}
                      onClick={() => onPick(column.name)}
                    >
                      <code>{column.name}</code>
                      <small>{column.type.toLowerCase()}</small>
                    </button>
                  </li>
                ))}
              </ul>
            </details>
          ))
        }
      </State>
    </section>
  );
}
