/** What the addresses of screens say after their question marks, where more than one file reads it. */

/** Which sessions are listed. */
export interface SessionsSearch {
  search?: string;
  status?: string;
  waiting?: string;
  outcome?: string;
  agent?: string;
  since?: string;
  page?: string;
}

/** Which view of a session is shown, and which of its events or files is open. */
export interface SessionSearch {
  view?: string;
  event?: string;
  type?: string;
  turn?: string;
  file?: string;
  line?: string;
  find?: string;
  scale?: string;
}

/** Which usage is shown: its period, measure, grouping, order, and filters. */
export interface UsageSearch {
  period?: string;
  from?: string;
  to?: string;
  show?: string;
  group?: string;
  sort?: string;
  agent?: string;
  model?: string;
}
