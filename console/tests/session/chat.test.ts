import { describe, expect, it } from "vitest";
import { Failure } from "../../src/api/failures";
import { announcements } from "../../src/session/chat/announcements";
import { answersOf } from "../../src/session/chat/answers";
import { newSince } from "../../src/session/chat/news";
import { stretchesOf } from "../../src/session/chat/stretches";
import { notArrived, type Outgoing } from "../../src/session/composer/outbox";
import { sentTexts } from "../../src/session/composer/recall";
import type { Question } from "../../src/session/log/callTypes";
import { EMPTY, withEarlier, withListed } from "../../src/session/log/fold";
import type { Transcript } from "../../src/session/log/types";
import { markdownOf } from "../../src/session/markdownOf";
import type { Followed } from "../../src/session/snapshot";
import { activityWords } from "../../src/session/words";
import { LogWriter } from "./events";

function folded(log: LogWriter): Transcript {
  return withListed(EMPTY, log.events);
}

function followed(transcript: Transcript): Followed {
  return { transcript, connection: { kind: "connected" }, earlier: { kind: "none" } };
}

function outgoing(text: string, changes: Partial<Outgoing> = {}): Outgoing {
  return {
    key: text,
    content: [{ type: "text", text }],
    controls: null,
    afterSequence: 0,
    failure: null,
    messageId: null,
    ...changes,
  };
}

describe("a message on its way", () => {
  it("goes when its event comes, even before the response with its id", () => {
    const transcript = folded(new LogWriter().begin("Hello"));
    expect(notArrived([outgoing("Hello")], transcript)).toEqual([]);
  });

  it("is known by its id once the server has given it one", () => {
    const transcript = folded(new LogWriter().begin("Hello"));
    const other = outgoing("Hello", { messageId: "message_other" });
    expect(notArrived([other], transcript)).toEqual([other]);
    expect(notArrived([outgoing("Hi", { messageId: "message_of_turn_1" })], transcript)).toEqual(
      [],
    );
  });

  it("is not taken for an earlier message with the same words", () => {
    const transcript = folded(new LogWriter().begin("Hello"));
    const again = outgoing("Hello", { afterSequence: transcript.sequence });
    expect(notArrived([again], transcript)).toEqual([again]);
  });

  it("is one of two with the same words, of which one has come", () => {
    const transcript = folded(new LogWriter().begin("Hello"));
    const second = outgoing("Hello", { key: "second" });
    expect(notArrived([outgoing("Hello"), second], transcript)).toEqual([second]);
  });

  it("stays when it could not be sent", () => {
    const failed = outgoing("Hello", { failure: new Failure("UNREACHABLE", "", 0) });
    expect(notArrived([failed], folded(new LogWriter().begin("Hello")))).toEqual([failed]);
  });
});

describe("what is said aloud", () => {
  it("is a finished message and the turn's end, and nothing twice", () => {
    const log = new LogWriter().begin();
    const before = followed(folded(log));
    const after = followed(folded(log.answer("message_a", "It is done.").complete()));
    expect(announcements(before, after)).toEqual(["It is done.", "The turn has ended."]);
    expect(announcements(after, after)).toEqual([]);
  });

  it("is that a call waits for a decision", () => {
    const log = new LogWriter().begin().answer("message_a", "", { one: "delete" });
    const before = followed(folded(log));
    log.write("tool.approval", { tool_call_id: "one", name: "delete", status: "requested" });
    expect(announcements(before, followed(folded(log)))).toEqual([
      "delete waits for your decision.",
    ]);
  });

  it("is that the connection was lost, not each attempt to reconnect", () => {
    const now = followed(EMPTY);
    const lost: Followed = {
      ...now,
      connection: { kind: "reconnecting", untilMs: 1, failure: null },
    };
    const later: Followed = {
      ...now,
      connection: { kind: "reconnecting", untilMs: 2, failure: null },
    };
    expect(announcements(now, lost)).toEqual(["The connection was lost. The page reconnects."]);
    expect(announcements(lost, later)).toEqual([]);
  });
});

describe("words for what a session does", () => {
  it("name running calls with their time, and how long somebody has left", () => {
    const calls = [{ callId: "one", name: "add", sinceMs: 1_000 }];
    expect(activityWords({ kind: "running", calls }, 13_000)).toBe("running add (12 s)");
    const wait = {
      type: "approval",
      tool_call_id: "one",
      name: "delete",
      since: "2026-01-31T10:00:00Z",
      expires_at: "2026-01-31T10:15:00Z",
      on_timeout: "error",
    } as const;
    const now = Date.parse("2026-01-31T10:00:28Z");
    expect(activityWords({ kind: "waiting", waits: [wait] }, now)).toBe(
      "waits for you (14:32 left)",
    );
  });
});

describe("answers to questions", () => {
  const options = ["PDF", "HTML"].map((label) => ({
    label,
    description: null,
    isRecommended: false,
  }));
  const choice: Question = {
    id: "format",
    question: "Which?",
    kind: "choice",
    options,
    isMultiSelect: true,
  };
  const text: Question = { ...choice, id: "note", kind: "text", options: [] };

  it("are what was chosen and what was written", () => {
    const form = new FormData();
    form.append("choice format", "PDF");
    form.append("choice format", "HTML");
    form.append("text note", " soon ");
    expect(answersOf([choice, text], form)).toEqual({
      answers: [
        { id: "format", selected: ["PDF", "HTML"] },
        { id: "note", selected: [], other_text: "soon" },
      ],
      unanswered: [],
    });
  });

  it("are missing where nothing was chosen or written", () => {
    expect(answersOf([choice, text], new FormData()).unanswered).toEqual(["format", "note"]);
  });
});

describe("the conversation", () => {
  it("is drawn in stretches, in which turns stay when earlier ones are loaded", () => {
    const { events } = new LogWriter().turns(200);
    const end = withListed(EMPTY, events.slice(-300));
    const before = stretchesOf(end.past);
    const after = stretchesOf(withEarlier(end, events.slice(0, -300)).past);
    expect(after.length).toBeGreaterThan(before.length);
    expect(after.at(-1)?.key).toBe(before.at(-1)?.key);
    expect(after.at(-1)?.turns).toEqual(before.at(-1)?.turns);
    expect(after.flatMap(({ turns }) => turns)).toHaveLength(200);
  });

  it("tells how much has come since a moment", () => {
    const log = new LogWriter().begin();
    const { sequence } = folded(log);
    const { past, current } = folded(log.answer("message_a").complete().begin("Next"));
    expect(newSince(sequence, past, current)).toBe(2);
  });

  it("recalls what the user has sent, newest first and each text once", () => {
    const log = new LogWriter().begin("One").complete().begin("Two").complete().begin("One");
    expect(sentTexts(folded(log))).toEqual(["One", "Two"]);
  });

  it("is a Markdown document in which no result breaks out of its fence", () => {
    const log = new LogWriter().begin("Run it").answer("message_a", "", { one: "run" });
    log.call("one", "run").result("one", "run", { result: "```\n# not a heading\n```" });
    const document = markdownOf("Title", folded(log.answer("message_b", "Done.").complete()));
    expect(document).toContain("# Title\n\n## User\n\nRun it\n\n### Tool call: run");
    expect(document).toContain("````\n```\n# not a heading\n```\n````");
    expect(document.endsWith("## p/m\n\nDone.\n")).toBe(true);
  });
});
