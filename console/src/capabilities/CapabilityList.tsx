import { Link } from "@tanstack/react-router";
import type { Schemas } from "../api/client";
import { withVisibleControls } from "../parts/controls";
import styles from "./Capabilities.module.css";

type Info = Schemas["CapabilityInfo"];

/** Capabilities: those that agents can have, then those that are to come. */
export function CapabilityList({ capabilities }: { capabilities: readonly Info[] }) {
  const available = capabilities.filter(({ status }) => status !== "coming_soon");
  const toCome = capabilities.filter(({ status }) => status === "coming_soon");
  return (
    <>
      <Entries capabilities={available} />
      {toCome.length > 0 && (
        <>
          <h3 className={styles.category}>Coming soon</h3>
          <Entries capabilities={toCome} />
        </>
      )}
    </>
  );
}

function Entries({ capabilities }: { capabilities: readonly Info[] }) {
  return (
    <ul>
      {capabilities.map(({ id, name, description }) => (
        <li key={id}>
          <Link to="/capabilities" search={{ capability: id }} className={styles.entry}>
            <span className={styles.name}>{name}</span>
            <span className={styles.about}>{withVisibleControls(description)}</span>
          </Link>
        </li>
      ))}
    </ul>
  );
}
