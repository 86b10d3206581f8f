/** How budgets are created and disabled, wherever they are listed. */

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { answered, api, type Schemas } from "../../api/client";
import { useKeyed } from "../idempotency";

/** Create a budget. */
export function useCreateBudget() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: useKeyed((budget: Schemas["BudgetInput"], header) =>
      answered(api.POST("/v1/budgets", { params: { header }, body: budget })),
    ),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["budgets"] }),
  });
}

/** Disable a budget. */
export function useDisableBudget(budgetId: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: () =>
      api.DELETE("/v1/budgets/{budget_id}", { params: { path: { budget_id: budgetId } } }),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["budgets"] }),
  });
}
