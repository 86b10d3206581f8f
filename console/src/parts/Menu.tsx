import { Menu as Base } from "@base-ui/react/menu";
import type { ReactNode } from "react";
import { Button } from "./Button";
import { ChevronIcon } from "./icons";
import styles from "./Popup.module.css";

/** One action of a menu, a page to go to, or a line between them. */
export type MenuItem =
  | { label: string; onSelect: () => void; isDangerous?: boolean; isDisabled?: boolean }
  | { label: string; href: string }
  | "line";

interface MenuProps {
  /** What the button says, such as "Actions". */
  label: ReactNode;
  /** What the button is called where its label is only a sign. */
  name?: string;
  /** Whether the button is a sign in a row, without a frame. */
  isQuiet?: boolean;
  items: readonly MenuItem[];
}

/** A button that opens a list of actions. */
export function Menu({ label, name, isQuiet = false, items }: MenuProps) {
  return (
    <Base.Root>
      <Base.Trigger
        render={
          <Button aria-label={name} tone={isQuiet ? "quiet" : "plain"}>
            {label}
            {!isQuiet && <ChevronIcon />}
          </Button>
        }
      />
      <Base.Portal>
        <Base.Positioner className={styles.positioner} sideOffset={4} align="end">
          <Base.Popup className={styles.popup}>
            {items.map((item, place) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: lines have no name, and nothing moves.
              <Entry key={place} item={item} />
            ))}
          </Base.Popup>
        </Base.Positioner>
      </Base.Portal>
    </Base.Root>
  );
}

function Entry({ item }: { item: MenuItem }) {
  if (item === "line") return <Base.Separator className={styles.line} />;
  if ("href" in item) {
    return (
      <Base.LinkItem className={styles.item} href={item.href}>
        {item.label}
      </Base.LinkItem>
    );
  }
  return (
    <Base.Item
      className={[styles.item, item.isDangerous && styles.dangerous].filter(Boolean).join(" ")}
      disabled={item.isDisabled ?? false}
      onClick={item.onSelect}
    >
      {item.label}
    </Base.Item>
  );
}
