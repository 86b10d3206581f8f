import { Link, useNavigate } from "@tanstack/react-router";
import tabs from "../parts/Tabs.module.css";
import type { SessionsSearch } from "../searches";
import { type Filters, searchOf, WAITS } from "./filters";
import styles from "./States.module.css";

type Choice = Pick<SessionsSearch, "status" | "waiting" | "outcome">;

const CHOICES: readonly { name: string; search: Choice }[] = [
  { name: "All", search: {} },
  { name: "Running", search: { status: "active" } },
  { name: "Waiting", search: { waiting: "true" } },
  { name: "Failed", search: { outcome: "failed" } },
  { name: "Cancelled", search: { outcome: "cancelled" } },
  { name: "Idle", search: { status: "idle" } },
  { name: "New", search: { status: "started" } },
];

/** The states that a list can be narrowed to. */
export function States({ filters }: { filters: Filters }) {
  const navigate = useNavigate();
  const { status: _, waiting, outcome: __, ...others } = filters;
  const rest = searchOf({ ...others, page: 1 });
  return (
    <nav className={styles.states} aria-label="State">
      {CHOICES.map(({ name, search }) => (
        <Link
          key={name}
          to="/sessions"
          search={{ ...rest, ...search }}
          className={tabs.tab}
          aria-current={isChosen(search, filters) ? "true" : undefined}
          activeOptions={{ exact: true }}
        >
          {name}
        </Link>
      ))}
      {waiting !== undefined && (
        <select
          aria-label="What it waits for"
          value={waiting}
          onChange={(event) =>
            void navigate({ to: "/sessions", search: { ...rest, waiting: event.target.value } })
          }
        >
          {WAITS.map((kind) => (
            <option key={kind.waiting} value={kind.waiting}>
              {kind.name}
            </option>
          ))}
        </select>
      )}
    </nav>
  );
}

function isChosen(choice: Choice, { status, waiting, outcome }: Filters): boolean {
  return (
    choice.status === status &&
    choice.outcome === outcome &&
    (choice.waiting === undefined) === (waiting === undefined)
  );
}
