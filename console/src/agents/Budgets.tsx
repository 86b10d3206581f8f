import { useState } from "react";
import type { Schemas } from "../api/client";
import { Button } from "../parts/Button";
import { DisableBudget } from "../parts/budgets/DisableBudget";
import { inCurrency } from "../parts/budgets/inCurrency";
import { NewBudget } from "../parts/budgets/NewBudget";
import { State } from "../parts/State";
import styles from "./Agent.module.css";
import { useBudgetsOf } from "./queries";

type Budget = Schemas["BudgetShown"];

/** How much all sessions of an agent may spend together. */
export function Budgets({ agentId }: { agentId: string }) {
  const budgets = useBudgetsOf(agentId);
  const [isAdding, setAdding] = useState(false);
  const [disabled, setDisabled] = useState<Budget>();
  return (
    <section className={styles.panel}>
      <h2>Budgets</h2>
      <State
        query={budgets}
        rows={1}
        isEmpty={(list) => list.length === 0}
        empty={<p className={styles.quiet}>No budgets: nothing limits what its sessions spend.</p>}
      >
        {(list) => (
          <ul className={styles.rows}>
            {list.map((budget) => (
              <li key={budget.id}>
                <span title={`Budget ${budget.id}`}>
                  {inCurrency(budget.balance, budget.currency)} left of{" "}
                  {inCurrency(budget.limit, budget.currency)}
                  {budget.period && ` per ${budget.period.unit}`}
                  {budget.status !== "active" && ` (${budget.status})`}
                </span>
                <Button tone="quiet" onClick={() => setDisabled(budget)}>
                  Disable
                </Button>
              </li>
            ))}
          </ul>
        )}
      </State>
      <div>
        <Button onClick={() => setAdding(true)}>New budget</Button>
      </div>
      {isAdding && <NewBudget agentId={agentId} onClose={() => setAdding(false)} />}
      {disabled !== undefined && (
        <DisableBudget budget={disabled} onClose={() => setDisabled(undefined)} />
      )}
    </section>
  );
}
