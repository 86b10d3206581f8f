/** What the address says about which sessions are listed, and what the server is asked for. */

import { pageNumber } from "../api/pages";
import type { SessionsSearch } from "../searches";

/** How many sessions a page has. */
export const PAGE_SIZE = 50;

const HOUR_MS = 3_600_000;
/** How far back a list can go, in the address's words. */
export const PERIODS = [
  { since: "1h", name: "Last hour", ms: HOUR_MS },
  { since: "24h", name: "Last 24 hours", ms: 24 * HOUR_MS },
  { since: "7d", name: "Last 7 days", ms: 7 * 24 * HOUR_MS },
  { since: "30d", name: "Last 30 days", ms: 30 * 24 * HOUR_MS },
] as const;

const STATUSES = ["started", "active", "idle", "waitingfortoolresults"] as const;
const OUTCOMES = ["completed", "failed", "cancelled"] as const;
/** For what a turn can wait, in the contract's words and in those of people. */
export const WAITS = [
  { waiting: "true", name: "Anything" },
  { waiting: "approval", name: "An approval" },
  { waiting: "question", name: "An answer" },
  { waiting: "tool_call", name: "A tool's result" },
] as const;

/** Which sessions are listed: the valid parameters of the address. */
export interface Filters {
  search?: string;
  status?: (typeof STATUSES)[number];
  waiting?: (typeof WAITS)[number]["waiting"];
  outcome?: (typeof OUTCOMES)[number];
  agent?: string;
  since?: (typeof PERIODS)[number]["since"];
  /** From 1. */
  page: number;
}

/** Return the filters that an address names. Invalid ones are left out. */
export function filtersIn(search: SessionsSearch): Filters {
  const filters: Filters = { page: pageNumber(search.page) };
  const status = STATUSES.find((name) => name === search.status);
  const waiting = WAITS.find((kind) => kind.waiting === search.waiting)?.waiting;
  const outcome = OUTCOMES.find((name) => name === search.outcome);
  const since = PERIODS.find((period) => period.since === search.since)?.since;
  const text = search.search?.slice(0, 256);
  if (text !== undefined) filters.search = text;
  if (status !== undefined) filters.status = status;
  if (waiting !== undefined) filters.waiting = waiting;
  if (outcome !== undefined) filters.outcome = outcome;
  if (search.agent !== undefined && /^agent_[0-9a-f]{32}$/.test(search.agent)) {
    filters.agent = search.agent;
  }
  if (since !== undefined) filters.since = since;
  return filters;
}

/** Return the address's form of filters; the first page is not named. */
export function searchOf({ page, ...filters }: Filters): SessionsSearch {
  return page === 1 ? filters : { ...filters, page: String(page) };
}

/** Tell whether filters leave sessions out. */
export function isFiltered({ page: _, ...filters }: Filters): boolean {
  return Object.keys(filters).length > 0;
}

/** Return the query of the server's list. */
export function queryOf(filters: Filters, now: Date) {
  const period = PERIODS.find(({ since }) => since === filters.since);
  return {
    sort: "updated" as const,
    limit: PAGE_SIZE,
    offset: (filters.page - 1) * PAGE_SIZE,
    ...(filters.search !== undefined && { search: filters.search }),
    ...(filters.status !== undefined && { status: filters.status }),
    ...(filters.waiting !== undefined && { waiting: filters.waiting }),
    ...(filters.outcome !== undefined && { last_outcome: filters.outcome }),
    ...(filters.agent !== undefined && { agent_id: filters.agent }),
    ...(period !== undefined && {
      updated_after: new Date(now.getTime() - period.ms).toISOString(),
    }),
  };
}

/** Return the path that lists the same sessions, for a terminal. */
export function pathOf(filters: Filters, now: Date): string {
  const { offset, ...query } = queryOf(filters, now);
  const words = Object.entries({ ...query, ...(offset > 0 && { offset }) });
  return `/v1/sessions?${new URLSearchParams(words.map(([name, value]) => [name, String(value)]))}`;
}
