/** What the usage screen asks the server for. */

import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { answered, api } from "../api/client";
import { LONGEST_PAGE } from "../api/pages";
import { download } from "../parts/download";
import { type UsageQuery, usageReport } from "../parts/usageReport";
import type { Period } from "./period";

/** Of what usage is counted. */
export interface Filter {
  agent_id?: string;
  model?: string;
}

type Division = NonNullable<UsageQuery["group_by"]>[number];

/** Return what was used in a period, divided by time or by what it was for. */
export function useUsage(period: Period, filter: Filter, division: Division) {
  const query = usageQuery(period, filter, division);
  return useQuery({
    queryKey: ["usage", query],
    queryFn: () => usageReport(query),
    placeholderData: keepPreviousData,
    refetchInterval: 30_000,
  });
}

/** Save a report as a file. */
export function useUsageFile(period: Period, filter: Filter, division: Division) {
  return useMutation({
    mutationFn: (format: "csv" | "parquet") =>
      download(
        api.GET("/v1/usage", {
          params: { query: { ...usageQuery(period, filter, division), limit: 10_000, format } },
          parseAs: "blob",
        }),
        `usage-by-${division}-${period.first}-${period.last}.${format}`,
      ),
  });
}

/** Tools whose calls failed in a period, the worst first. */
const FAILING_TOOLS = `SELECT tool_name, count(*) AS calls,
       count(*) FILTER (NOT success) AS failed,
       median(duration_ms) AS half_within_ms,
       mode(error) FILTER (NOT success) AS usual_error
FROM tool_calls
WHERE day BETWEEN $1 AND $2 AND ($3 IS NULL OR agent_id = $3)
GROUP BY ALL
HAVING failed > 0
ORDER BY failed DESC
LIMIT 10`;

/** Return the tools whose calls failed, read by SQL. */
export function useFailingTools(period: Period, agentId: string | undefined) {
  const parameters = [period.first, period.last, agentId ?? null];
  return useQuery({
    queryKey: ["usage", "failing tools", parameters],
    queryFn: async () => {
      const answer = await answered(
        api.POST("/v1/sql", { body: { query: FAILING_TOOLS, parameters } }),
      );
      return typeof answer === "string" ? [] : answer.rows.map(failingTool);
    },
    placeholderData: keepPreviousData,
  });
}

/** How often a tool was called and failed. */
export interface FailingTool {
  name: string;
  calls: number;
  failed: number;
  halfWithinMs: number | null;
  usualError: string;
}

/** Return the newest budgets, and how many there are: each session may have some. */
export function useBudgets() {
  return useQuery({
    queryKey: ["budgets"],
    queryFn: () => answered(api.GET("/v1/budgets", { params: { query: { limit: LONGEST_PAGE } } })),
  });
}

/** Return how to add to what is left of a budget. */
export function useTopUp(budgetId: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (amount: number) =>
      answered(
        api.POST("/v1/budgets/{budget_id}/top-up", {
          params: { path: { budget_id: budgetId } },
          body: { amount },
        }),
      ),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["budgets"] }),
  });
}

function usageQuery(period: Period, filter: Filter, division: Division): UsageQuery {
  return {
    from: period.from,
    ...(period.to !== undefined && { to: period.to }),
    group_by: [division],
    ...filter,
  };
}

function failingTool([name, calls, failed, half, error]: unknown[]): FailingTool {
  return {
    name: String(name),
    calls: Number(calls),
    failed: Number(failed),
    halfWithinMs: typeof half === "number" ? half : null,
    usualError: typeof error === "string" ? error : "",
  };
}
