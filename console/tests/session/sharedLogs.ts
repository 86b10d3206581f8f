/** The logs that the server's fold and this one must understand alike. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { LogEvent, Message, SessionStatus, Usage, Wait } from "../../src/session/log/wire";

const FOLDER = join(import.meta.dirname, "../../../tests/contract/logs");
const RANDOM = "random-logs";

/** What the server says after an event. */
export interface Step {
  readonly sequence: number;
  readonly status: SessionStatus;
  readonly waiting_for: readonly Wait[];
  readonly usage: Usage;
}

/** A log with what the server says after each event that changes it. */
export interface SteppedLog {
  readonly events: readonly LogEvent[];
  readonly steps: readonly Step[];
}

/** A recorded session, with what the API said of it. */
export interface RecordedLog extends SteppedLog {
  readonly messages: readonly Message[];
  readonly all_messages: readonly Message[];
  readonly status: SessionStatus;
  readonly waiting_for: readonly Wait[];
  readonly usage: Usage;
}

/** The names of the recorded sessions. */
export const NAMES = readdirSync(FOLDER)
  .map((file) => file.replace(".json", ""))
  .filter((name) => name !== RANDOM)
  .sort();

/** Read a recorded session. */
export function recorded(name: string): RecordedLog {
  return JSON.parse(readFileSync(join(FOLDER, `${name}.json`), "utf8"));
}

/** Read the logs that were made at random. */
export function randomLogs(): readonly SteppedLog[] {
  return JSON.parse(readFileSync(join(FOLDER, `${RANDOM}.json`), "utf8"));
}
