import { Link } from "@tanstack/react-router";
import type { Schemas } from "../api/client";
import { Choice } from "../parts/Choice";
import { isNameIn } from "../parts/names";
import { Failed, State } from "../parts/State";
import { Table } from "../parts/Table";
import type { UsageSearch } from "../searches";
import { FigureCells, FigureHeads, figureOf, sorted } from "./figures";
import type { Changes, Period } from "./period";
import { type Filter, useUsage, useUsageFile } from "./queries";
import { ReportFiles } from "./ReportFiles";
import styles from "./Usage.module.css";

const DIVISIONS = {
  agent: "Agent",
  model: "Model",
  provider: "Provider",
  end_user: "End user",
} as const;
type Division = keyof typeof DIVISIONS;

interface GroupsProps {
  period: Period;
  filter: Filter;
  search: UsageSearch;
  onChange: (changes: Changes) => void;
}

/** Usage divided by what it was for, the greatest first. */
export function Groups({ period, filter, search, onChange }: GroupsProps) {
  const division = divisionOf(search.group);
  const figure = figureOf(search.sort);
  const groups = useUsage(period, filter, division);
  const file = useUsageFile(period, filter, division);
  return (
    <section className={styles.section}>
      <div className={styles.line}>
        <h2>By {DIVISIONS[division].toLowerCase()}</h2>
        <Choice
          label="Group by"
          options={DIVISIONS}
          value={division}
          onChange={(group) => onChange({ group })}
        />
        <ReportFiles file={file} />
      </div>
      {file.error !== null && <Failed error={file.error} />}
      <State
        query={groups}
        rows={4}
        isEmpty={({ data }) => data.length === 0}
        empty={<p>Nothing was used in this period. Every turn of a session is counted here.</p>}
      >
        {({ data, truncated }) => (
          <>
            <Table label={`Usage by ${DIVISIONS[division].toLowerCase()}`}>
              <thead>
                <tr>
                  <th scope="col">{DIVISIONS[division]}</th>
                  <FigureHeads
                    head={(column, name) => (
                      <th
                        key={column}
                        scope="col"
                        data-number
                        aria-sort={column === figure ? "descending" : "none"}
                      >
                        <button
                          type="button"
                          className={styles.sort}
                          onClick={() => onChange({ sort: column })}
                        >
                          {name}
                          {column === figure && " ↓"}
                        </button>
                      </th>
                    )}
                  />
                </tr>
              </thead>
              <tbody>
                {sorted(data, figure).map((row) => (
                  <tr key={keyOf(division, row)}>
                    <th scope="row">
                      <GroupName division={division} row={row} onChange={onChange} />
                    </th>
                    <FigureCells row={row} />
                  </tr>
                ))}
              </tbody>
            </Table>
            {truncated && <p className={styles.quiet}>There are more; these cost the most.</p>}
          </>
        )}
      </State>
    </section>
  );
}

interface GroupNameProps {
  division: Division;
  row: Schemas["UsageRow"];
  onChange: (changes: Changes) => void;
}

function GroupName({ division, row, onChange }: GroupNameProps) {
  const key = keyOf(division, row);
  if (key === "") return <span className={styles.quiet}>none</span>;
  if (division === "agent") {
    return (
      <span className={styles.group}>
        <button
          type="button"
          className={styles.filter}
          title="Only this agent"
          onClick={() => onChange({ agent: key })}
        >
          {row.agent_name ?? key}
        </button>
        <Link
          to="/agents/$agentId"
          params={{ agentId: key }}
          className={styles.open}
          title="Open this agent"
          aria-label={`Open ${row.agent_name ?? key}`}
        >
          ↗
        </Link>
      </span>
    );
  }
  if (division === "model") {
    return (
      <button
        type="button"
        className={styles.filter}
        title="Only this model"
        onClick={() => onChange({ model: key })}
      >
        {key}
      </button>
    );
  }
  return key;
}

function keyOf(division: Division, row: Schemas["UsageRow"]): string {
  return (division === "agent" ? row.agent_id : row[division]) ?? "";
}

function divisionOf(text: string | undefined): Division {
  return isNameIn(DIVISIONS, text) ? text : "agent";
}
