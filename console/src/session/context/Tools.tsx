import { Tokens } from "../../parts/Amounts";
import { LongText } from "../../parts/LongText";
import { Fold } from "../chat/Fold";
import { shownJson } from "../chat/values";
import styles from "./Context.module.css";
import type { ModelContext } from "./queries";
import { sourceWords } from "./words";

/** The tools that the model may call. */
export function Tools({ tools }: { tools: ModelContext["tools"] }) {
  return (
    <section aria-labelledby="context-tools">
      <h2 id="context-tools">Tools</h2>
      {tools.length === 0 && <p>The model is shown no tools.</p>}
      <ul className={styles.list}>
        {tools.map((tool) => (
          <li key={tool.name}>
            <Fold
              summary={
                <span className={styles.row}>
                  <code>{tool.name}</code>
                  <span className={styles.source}>
                    {sourceWords(tool)}
                    {!tool.listed && ", found by search"}
                  </span>
                  <Tokens count={tool.tokens} />
                </span>
              }
            >
              {() => (
                <>
                  <LongText text={tool.description} />
                  <LongText text={shownJson(tool.parameters)} />
                </>
              )}
            </Fold>
          </li>
        ))}
      </ul>
    </section>
  );
}
