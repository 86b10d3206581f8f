import { Dialog } from "@base-ui/react/dialog";
import { Fragment } from "react";
import { withCommand } from "../parts/platform";
import { Icon } from "./icons";
import styles from "./Keys.module.css";
import overlay from "./overlay.module.css";
import { PLACES } from "./places";
import tool from "./tool.module.css";

const SECTIONS: readonly { name: string; keys: readonly (readonly [string, string])[] }[] = [
  {
    name: "Everywhere",
    keys: [
      [withCommand("K"), "Search, go somewhere, do something"],
      ["/", "Go to the search field of this screen"],
      ["?", "Show these keys"],
    ],
  },
  { name: "Go to", keys: PLACES.flat().map(({ key, name }) => [`g ${key}`, name] as const) },
  {
    name: "Lists",
    keys: [
      ["j and k", "Next and previous row"],
      ["Enter", "Open the row"],
      ["c", "Copy the id of the session in focus"],
    ],
  },
  {
    name: "Session",
    keys: [
      ["Enter", "Send; Shift+Enter begins a new line (a setting changes this)"],
      ["Esc", "Stop the turn, when pressed twice"],
      ["a and r", "Allow or reject the tool call in focus"],
    ],
  },
  {
    name: "Forms and SQL",
    keys: [
      [withCommand("S"), "Save"],
      [withCommand("Enter"), "Run the query"],
    ],
  },
];

/** All keys that do something. */
export function Keys({ onClose }: { onClose: () => void }) {
  return (
    <Dialog.Root open onOpenChange={(isOpen) => !isOpen && onClose()}>
      <Dialog.Portal>
        <Dialog.Backdrop className={overlay.shade} />
        <Dialog.Popup className={overlay.window}>
          <div className={`${overlay.head} ${styles.head}`}>
            <Dialog.Title>Keys</Dialog.Title>
            <Dialog.Close className={tool.tool} aria-label="Close">
              <Icon name="close" />
            </Dialog.Close>
          </div>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard. */}
          <section className={styles.sections} aria-label="All keys" tabIndex={0}>
            {SECTIONS.map(({ name, keys }) => (
              <section key={name}>
                <h3>{name}</h3>
                <dl className={styles.keys}>
                  {keys.map(([key, meaning]) => (
                    <Fragment key={key}>
                      <dt>
                        <kbd>{key}</kbd>
                      </dt>
                      <dd>{meaning}</dd>
                    </Fragment>
                  ))}
                </dl>
              </section>
            ))}
          </section>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
