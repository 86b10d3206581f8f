/** How times, durations, tokens and money read. */

const DAY_MS = 86_400_000;
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
const grouped = new Intl.NumberFormat("en");
const UNITS: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", DAY_MS],
  ["hour", 3_600_000],
  ["minute", 60_000],
  ["second", 1000],
];

/** Return how long ago a moment was, such as "3 min. ago"; a date from a week on. */
export function ago(moment: Date, now: Date): string {
  const passed = now.getTime() - moment.getTime();
  if (Math.abs(passed) >= 7 * DAY_MS) return moment.toISOString().slice(0, 10);
  for (const [unit, length] of UNITS) {
    if (Math.abs(passed) >= length) return relative.format(-Math.trunc(passed / length), unit);
  }
  return "now";
}

/** Return a duration, such as "840 ms", "12.4 s", "3 m 05 s" or "2 d 04 h". */
export function duration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 59_950) return `${(milliseconds / 1000).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / 1000);
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} m ${pad(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${pad(minutes % 60)} m`;
  return `${Math.floor(hours / 24)} d ${pad(hours % 24)} h`;
}

/** Return a count in brief, such as "840", "12.3k" or "4.1M". */
export function brief(count: number): string {
  if (count < 1000) return String(count);
  if (count < 999_950) return `${(count / 1000).toFixed(1)}k`;
  return `${(count / 1_000_000).toFixed(1)}M`;
}

/** Return a count in full, such as "12,345". */
export function exact(count: number): string {
  return grouped.format(count);
}

/** Return an amount of US dollars: to the cent, or to four places below a cent. */
export function money(dollars: number): string {
  if (dollars === 0) return "$0";
  if (dollars < 0.0001) return "<$0.0001";
  return `$${dollars.toFixed(dollars < 0.01 ? 4 : 2)}`;
}

/** Return a number of bytes, such as "12 B" or "3.4 MB". */
export function bytes(count: number): string {
  if (count < 1000) return `${count} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let value = count / 1000;
  let unit = 0;
  while (value >= 999.95 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value.toFixed(1)} ${units[unit]}`;
}

/** Return an id in short, such as "session_…4f2a". */
export function shortId(id: string): string {
  const [kind, rest] = id.split("_", 2);
  return rest === undefined || rest.length < 8 ? id : `${kind}_…${rest.slice(-4)}`;
}

function pad(count: number): string {
  return String(count).padStart(2, "0");
}
