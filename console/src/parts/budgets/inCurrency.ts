/** Amounts of budgets. */

import type { Schemas } from "../../api/client";
import { brief, money } from "../formats";

/** Return an amount in a budget's currency. */
export function inCurrency(amount: number, currency: Schemas["BudgetShown"]["currency"]): string {
  const sign = amount < 0 ? "−" : "";
  const size = Math.abs(amount);
  return currency === "usd" ? `${sign}${money(size)}` : `${sign}${brief(size)} tokens`;
}
