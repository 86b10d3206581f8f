/** Events for tests, written as a server writes them. */

import type {
  DataOf,
  DeltaEvent,
  KnownEvent,
  LogEvent,
  ProgressEvent,
} from "../../src/session/log/wire";

const SESSION = `session_${"5".repeat(32)}`;
const BEGAN_MS = Date.parse("2026-01-31T10:00:00.000Z");

/** Writes a log event by event, a second apart. */
export class LogWriter {
  readonly events: LogEvent[] = [];
  private turn = 0;

  /** The newest event. */
  get last(): LogEvent {
    const last = this.events.at(-1);
    if (!last) throw new Error("nothing was written");
    return last;
  }

  /** Write an event of any type. */
  write<Type extends string>(
    type: Type,
    data: Type extends KnownEvent["type"] ? DataOf<Type> : unknown,
  ): LogEvent {
    const sequence = this.events.length + 1;
    const event: LogEvent = {
      id: `event_${sequence}`,
      type,
      ts: new Date(BEGAN_MS + sequence * 1000).toISOString(),
      session_id: SESSION,
      sequence,
      context: { turn_id: this.turnId, input_message_id: `message_of_${this.turnId}` },
      data,
    };
    this.events.push(event);
    return event;
  }

  /** A user's message that begins a turn. */
  begin(text = "Hello"): this {
    this.turn += 1;
    this.say("user", `message_of_${this.turnId}`, text);
    this.write("session.started", {
      turn_id: this.turnId,
      input_message_id: `message_of_${this.turnId}`,
    });
    return this;
  }

  /** A message of the user in the middle of a turn. */
  steer(id: string, text = "And this"): this {
    return this.say("user", id, text);
  }

  /** An answer, with calls by id and tool. */
  answer(id: string, text = "Yes.", calls: Readonly<Record<string, string>> = {}): this {
    return this.say("agent", id, text, calls);
  }

  call(id: string, name: string, asking: Partial<DataOf<"tool.call">> = {}): this {
    this.write("tool.call", {
      tool_call: { id, name, arguments: {} },
      message_id: "message_a",
      ...asking,
    });
    return this;
  }

  result(tool_call_id: string, name: string, outcome: Partial<DataOf<"tool.result">> = {}): this {
    const data = { tool_call_id, name, success: true, duration_ms: 5, ...outcome };
    this.write("tool.result", data);
    return this;
  }

  complete(): this {
    const usage = { input_tokens: 1, output_tokens: 1 };
    this.write("session.completed", { turn_id: this.turnId, iterations: 1, duration_ms: 9, usage });
    return this;
  }

  /** So many turns of four events. */
  turns(count: number): this {
    for (let turn = 0; turn < count; turn++) {
      this.begin().answer(`message_${this.events.length}`).complete();
    }
    return this;
  }

  private get turnId(): string {
    return `turn_${this.turn}`;
  }

  private say(
    role: "user" | "agent",
    id: string,
    text: string,
    calls: Readonly<Record<string, string>> = {},
  ): this {
    const asked = Object.entries(calls).map(
      ([call, name]) => ({ type: "tool_call", id: call, name, arguments: { of: call } }) as const,
    );
    const sequence = this.events.length + 1;
    const usage = { input_tokens: 10, output_tokens: 2, estimated_cost_usd: 0.5 };
    this.write("message.created", {
      message: {
        id,
        session_id: SESSION,
        role,
        content: [{ type: "text", text }, ...asked],
        sequence,
        created_at: new Date(BEGAN_MS).toISOString(),
      },
      ...(role === "agent" ? { usage, model: "p/m" } : {}),
    });
    return this;
  }
}

/** A piece of the text, or of the reasoning, that is being written. */
export function delta(
  messageId: string,
  offset: number,
  piece: string,
  type: DeltaEvent["type"] = "message.delta",
): DeltaEvent {
  return { ...passing(), type, data: { message_id: messageId, offset, delta: piece } };
}

/** How far a tool is. */
export function progress(callId: string, message: string): ProgressEvent {
  return {
    ...passing(),
    type: "tool.progress",
    data: { tool_call_id: callId, tool_name: "work", message },
  };
}

function passing() {
  const ts = new Date(BEGAN_MS).toISOString();
  return { id: "event_passing", ts, session_id: SESSION, context: { turn_id: "turn_1" } };
}
