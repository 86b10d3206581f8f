import { Link } from "@tanstack/react-router";
import tabs from "../parts/Tabs.module.css";
import { Icon } from "./icons";
import styles from "./Places.module.css";
import { placesFor } from "./places";

interface PlacesProps {
  /** How many sessions wait for somebody. */
  waiting: number;
  /** Whether what only administrators may see is left out. */
  hasLimits: boolean;
  /** What to do when one goes somewhere. */
  onGo?: () => void;
}

/** Links to every screen. */
export function Places({ waiting, hasLimits, onGo }: PlacesProps) {
  return (
    <div className={styles.places}>
      {placesFor(hasLimits).map((group) => (
        <ul key={group[0]?.to}>
          {group.map(({ to, name, icon }) => (
            <li key={to}>
              <Link
                to={to}
                activeOptions={{ exact: to === "/", includeSearch: false }}
                className={`${tabs.tab} ${styles.place}`}
                onClick={onGo}
              >
                <Icon name={icon} />
                {name}
                {to === "/sessions" && waiting > 0 && <Waiting count={waiting} />}
              </Link>
            </li>
          ))}
        </ul>
      ))}
    </div>
  );
}

/** How many sessions wait for somebody, as a small number that screen readers hear as a sentence. */
export function Waiting({ count }: { count: number }) {
  const words = count === 1 ? "1 session waits for you" : `${count} sessions wait for you`;
  return (
    <span className={styles.waiting} title={words}>
      <span aria-hidden="true">{count > 99 ? "99+" : count}</span>
      <span className="visually-hidden">, {words}</span>
    </span>
  );
}
