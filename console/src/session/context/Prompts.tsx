import { Tokens } from "../../parts/Amounts";
import { LongText } from "../../parts/LongText";
import { Fold } from "../chat/Fold";
import styles from "./Context.module.css";
import type { ModelContext } from "./queries";
import { sourceWords } from "./words";

/** The parts of the system prompt, each with where it comes from. */
export function Prompts({ prompts }: { prompts: ModelContext["prompts"] }) {
  return (
    <section aria-labelledby="context-prompts">
      <h2 id="context-prompts">System prompt</h2>
      {prompts.length === 0 && <p>The model gets no instructions.</p>}
      <ul className={styles.list}>
        {prompts.map((prompt, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a source can have several parts.
          <li key={at}>
            <Fold
              isOpenAtFirst={prompts.length === 1}
              summary={
                <span className={styles.row}>
                  <span>{sourceWords(prompt)}</span>
                  <Tokens count={prompt.tokens} />
                </span>
              }
            >
              {() =>
                prompt.text == null ? (
                  <p>Your API key may not read agents, so its text is not shown.</p>
                ) : (
                  <LongText text={prompt.text} />
                )
              }
            </Fold>
          </li>
        ))}
      </ul>
    </section>
  );
}
