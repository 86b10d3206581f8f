/** Which time a report is about, as the address says it. */

import { dayBefore, daysBetween } from "../parts/days";
import { isNameIn } from "../parts/names";
import type { UsageSearch } from "../searches";

/** The periods that have a name, with how many days they have. */
const PERIODS = { "1d": 1, "7d": 7, "30d": 30, "90d": 90 } as const;
export type PeriodName = keyof typeof PERIODS;

/** A period in whole days or hours of UTC. */
export interface Period {
  /** Its name; none if it has its own first and last day. */
  name: PeriodName | undefined;
  first: string;
  last: string;
  /** What the API calls its first moment, and the one after its last. */
  from: string;
  to: string | undefined;
  unit: "day" | "hour";
  /** The beginning of each of its parts, as the API writes them. */
  parts: string[];
}

/** Changes of an address; undefined removes a parameter. */
export type Changes = { [Name in keyof UsageSearch]: string | undefined };

/** Return an address with changes. */
export function changed(search: UsageSearch, changes: Changes): UsageSearch {
  const all = Object.entries({ ...search, ...changes });
  return Object.fromEntries(all.filter(([, value]) => value !== undefined));
}

// Longer than this an hour would be too narrow to be seen.
const DAYS_IN_HOURS = 2;
// The API knows no longer period.
const MOST_DAYS = 400;

/** Return the period that an address means: 30 days until now unless it says otherwise. */
export function periodOf(search: UsageSearch, now: Date): Period {
  const today = dayBefore(now, 0);
  const own = ownDays(search, today);
  if (own !== undefined) return between(undefined, own.first, own.last, today, now);
  const name = isNameIn(PERIODS, search.period) ? search.period : "30d";
  return between(name, dayBefore(now, PERIODS[name] - 1), today, today, now);
}

/** Return what an address has to say for a period of its own. */
export function searchOf(first: string, last: string): Pick<UsageSearch, "from" | "to"> {
  return first <= last ? { from: first, to: last } : { from: last, to: first };
}

function between(
  name: PeriodName | undefined,
  first: string,
  last: string,
  today: string,
  now: Date,
): Period {
  const days = daysBetween(first, last);
  const unit = days.length <= DAYS_IN_HOURS ? "hour" : "day";
  const parts = unit === "day" ? days : days.flatMap(hoursOf).filter((hour) => hour <= iso(now));
  return {
    name,
    first,
    last,
    from: first,
    to: last < today ? after(last) : undefined,
    unit,
    parts,
  };
}

function ownDays(search: UsageSearch, today: string): { first: string; last: string } | undefined {
  if (!isDay(search.from)) return undefined;
  const last = isDay(search.to) && search.to < today ? search.to : today;
  if (search.from > last) return undefined;
  const [, first = last] = [search.from, dayBefore(new Date(last), MOST_DAYS - 1)].sort();
  return { first, last };
}

function hoursOf(day: string): string[] {
  return Array.from({ length: 24 }, (_, hour) => iso(new Date(Date.parse(day) + hour * 3_600_000)));
}

function after(day: string): string {
  return dayBefore(new Date(day), -1);
}

function iso(moment: Date): string {
  return moment.toISOString();
}

function isDay(text: string | undefined): text is string {
  return text !== undefined && /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text));
}
