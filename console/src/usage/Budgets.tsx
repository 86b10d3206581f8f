import { Link } from "@tanstack/react-router";
import { useState } from "react";
import type { Schemas } from "../api/client";
import { useAgentNames } from "../parts/agents/queries";
import { Button } from "../parts/Button";
import { DisableBudget } from "../parts/budgets/DisableBudget";
import { inCurrency } from "../parts/budgets/inCurrency";
import { NewBudget } from "../parts/budgets/NewBudget";
import { Curl } from "../parts/Curl";
import { shortId } from "../parts/formats";
import { Meter } from "../parts/Meter";
import { State } from "../parts/State";
import { Table } from "../parts/Table";
import { ACTIONS, TableHead } from "../parts/TableHead";
import { Time } from "../parts/Time";
import { useBudgets } from "./queries";
import { TopUp } from "./TopUp";
import styles from "./Usage.module.css";

type Budget = Schemas["BudgetShown"];

/** What agents and sessions may spend, and what is left of it. */
export function Budgets() {
  const budgets = useBudgets();
  const [isAdding, setAdding] = useState(false);
  return (
    <section className={styles.section}>
      <div className={styles.line}>
        <h2>Budgets</h2>
        <Button onClick={() => setAdding(true)}>New budget</Button>
      </div>
      <State
        query={budgets}
        rows={2}
        isEmpty={(page) => page.data.length === 0}
        empty={
          <>
            <p>
              A budget ends the turns of an agent or a session when it is spent. There are no
              budgets yet.
            </p>
            <Curl
              method="POST"
              path="/v1/budgets"
              body={{
                subject_type: "agent",
                subject_id: "agent_…",
                currency: "usd",
                limit: 10,
                period: { unit: "month" },
              }}
            />
          </>
        }
      >
        {(page) => <BudgetTable budgets={page.data} />}
      </State>
      {budgets.data !== undefined && budgets.data.total > budgets.data.data.length && (
        <p className={styles.quiet}>
          These are the newest {budgets.data.data.length} of {budgets.data.total} budgets. The page
          of each agent has its own.
        </p>
      )}
      {isAdding && <NewBudget onClose={() => setAdding(false)} />}
    </section>
  );
}

function BudgetTable({ budgets }: { budgets: readonly Budget[] }) {
  const ofAgents = budgets.filter(({ subject_type: type }) => type === "agent");
  const agentNames = useAgentNames(ofAgents.map(({ subject_id: id }) => id));
  return (
    <Table label="Budgets">
      <TableHead
        columns={["For", "Left", { name: "Limit", isNumber: true }, "Renews", "Status", ACTIONS]}
      />
      <tbody>
        {budgets.map((budget) => (
          <BudgetRow
            key={budget.id}
            budget={budget}
            agentName={agentNames.get(budget.subject_id)}
          />
        ))}
      </tbody>
    </Table>
  );
}

interface BudgetRowProps {
  budget: Budget;
  /** Undefined while it is not known, and of a session's budget. */
  agentName: string | undefined;
}

function BudgetRow({ budget, agentName }: BudgetRowProps) {
  const [asked, setAsked] = useState<"top-up" | "disable">();
  const amount = (value: number) => inCurrency(value, budget.currency);
  const close = () => setAsked(undefined);
  return (
    <tr>
      <th scope="row">
        <Subject budget={budget} agentName={agentName} />
      </th>
      <td>
        <Meter
          value={Math.max(0, budget.balance)}
          most={budget.limit}
          label={`${amount(budget.balance)} left`}
        />
      </td>
      <td data-number>{amount(budget.limit)}</td>
      <td>
        {budget.period ? `every ${budget.period.unit}` : "never"}
        {budget.renews_at && (
          <>
            , <Time at={budget.renews_at} />
          </>
        )}
      </td>
      <td className={budget.status === "exhausted" ? styles.bad : undefined}>{budget.status}</td>
      <td>
        <span className={styles.actions}>
          <Button tone="quiet" onClick={() => setAsked("top-up")}>
            Top up
          </Button>
          <Button tone="quiet" onClick={() => setAsked("disable")}>
            Disable
          </Button>
        </span>
        {asked === "top-up" && <TopUp budget={budget} onClose={close} />}
        {asked === "disable" && <DisableBudget budget={budget} onClose={close} />}
      </td>
    </tr>
  );
}

function Subject({ budget, agentName }: BudgetRowProps) {
  const { subject_id: id } = budget;
  if (budget.subject_type === "session") {
    return (
      <Link to="/sessions/$sessionId" params={{ sessionId: id }}>
        {shortId(id)}
      </Link>
    );
  }
  return (
    <Link to="/agents/$agentId" params={{ agentId: id }}>
      {agentName ?? shortId(id)}
    </Link>
  );
}
