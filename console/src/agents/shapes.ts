/** The forms of what agents have besides texts: options for answers, and rules of waiting. */

import { type Shape, shapeOf } from "../parts/form/schema/shapes";

const SECONDS = {
  anyOf: [{ type: "number", minimum: 1, maximum: 31_536_000 }, { const: "never" }],
};

/** How long a call waits for somebody. */
export const WAIT = group({
  timeout_seconds: {
    ...SECONDS,
    title: "Wait for",
    description: "Seconds until the wait times out.",
  },
  on_timeout: {
    title: "On timeout",
    enum: ["error", "keep_waiting"],
    description: "The model reads an error, or the call keeps waiting.",
  },
  remind_after_seconds: {
    ...SECONDS,
    title: "Remind after",
    description: "Seconds until a reminder is recorded.",
  },
});

/** Options for a model's answers. */
export const CONTROLS = group({
  reasoning: {
    type: "object",
    additionalProperties: false,
    properties: {
      effort: { enum: ["none", "minimal", "low", "medium", "high", "xhigh"] },
    },
  },
  temperature: { type: "number", minimum: 0, maximum: 2, description: "From 0 to 2." },
  top_p: {
    title: "Top p",
    type: "number",
    exclusiveMinimum: 0,
    maximum: 1,
    description: "Above 0, at most 1.",
  },
  max_output_tokens: {
    type: "integer",
    minimum: 1,
    maximum: 10_000_000,
    description: "Limits one model call, reasoning included.",
  },
  stop: {
    type: "array",
    items: { type: "string" },
    description: "The answer ends before the first of these texts. At most 16.",
  },
  seed: { type: "integer", minimum: 0, maximum: 2_147_483_647 },
  output_schema: {
    title: "Output schema",
    type: "object",
    description: "A JSON Schema: the answer is a value that matches it.",
  },
});

function group(properties: Record<string, unknown>): Shape & { kind: "group" } {
  const shape = shapeOf({ type: "object", properties, additionalProperties: false });
  if (shape.kind !== "group") throw new Error("an object with properties is a group");
  return shape;
}
