/** The server's fold and this one say the same about the same logs. */

import { describe, expect, it } from "vitest";
import { EMPTY, withEarlier, withEvents, withListed } from "../../src/session/log/fold";
import type { Transcript } from "../../src/session/log/types";
import type { LogEvent } from "../../src/session/log/wire";
import { messagesOf } from "./messagesOf";
import { NAMES, randomLogs, recorded, type SteppedLog } from "./sharedLogs";

const CASES = [
  ...NAMES.map((name) => ({ name, ...recorded(name) })),
  ...randomLogs().map((log, place) => ({ name: `random log ${place}`, ...log })),
];

function sayingsOf({ status, waits, usage }: Transcript) {
  return { status, waiting_for: waits, usage };
}

function expectedAt({ steps }: SteppedLog, sequence: number) {
  const { sequence: _, ...said } = steps.findLast((step) => step.sequence <= sequence) ?? {};
  return said;
}

describe.each(CASES)("$name", (log) => {
  it("has the server's status, waits and usage after every event", () => {
    let transcript = EMPTY;
    for (const event of log.events) {
      transcript = withEvents(transcript, [event]);
      expect(sayingsOf(transcript)).toEqual(expectedAt(log, event.sequence));
    }
  });

  it("is the same whether its events come one by one or together", () => {
    const oneByOne = log.events.reduce(
      (transcript, event) => withEvents(transcript, [event]),
      EMPTY,
    );
    expect(withEvents(EMPTY, log.events)).toEqual(oneByOne);
  });

  it("is the same when it is read backwards, whatever the pages' size", () => {
    const whole = withListed(EMPTY, log.events);
    for (const size of [1, 2, 3, 7]) {
      const backwards = pages(log.events, size).reduceRight(withEarlier, EMPTY);
      expect(backwards).toEqual(whole);
    }
  });
});

describe.each(NAMES)("%s", (name) => {
  const log = recorded(name);
  const transcript = withEvents(EMPTY, log.events);

  it("has the messages that the API lists", () => {
    expect(messagesOf(transcript)).toEqual(log.messages);
    expect(messagesOf(transcript, { includeSuperseded: true })).toEqual(log.all_messages);
  });

  it("ends as the API shows the session", () => {
    const { status, waiting_for, usage } = log;
    expect(sayingsOf(transcript)).toEqual({ status, waiting_for, usage });
  });
});

function pages(events: readonly LogEvent[], size: number): readonly (readonly LogEvent[])[] {
  const count = Math.ceil(events.length / size);
  return Array.from({ length: count }, (_, page) => events.slice(page * size, (page + 1) * size));
}
