// A conversation over the client that openapi-typescript and openapi-fetch make of the document.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

declare const process: { argv: string[]; exit(code: number): never };

type Event = components["schemas"]["Event"];

const base = process.argv[2] ?? "";
const client = createClient<paths>({ baseUrl: base });

function need<T>(answer: { data?: T; error?: components["schemas"]["Error"] }): T {
  if (answer.data === undefined) throw new Error(answer.error?.error.message ?? "no answer");
  return answer.data;
}

// Only what is required is given: nothing else may be asked for.
const agent = need(await client.POST("/v1/agents", { body: { name: "clerk" } }));
const tooled = need(
  await client.PATCH("/v1/agents/{agent_id}", {
    params: { path: { agent_id: agent.id } },
    body: { capabilities: ["test_math", { ref: "current_time" }], max_iterations: 5 },
  }),
);
const session = need(await client.POST("/v1/sessions", { body: { agent_id: tooled.id } }));
const params = { path: { session_id: session.id } };
const sent = need(
  await client.POST("/v1/sessions/{session_id}/messages", { params, body: { content: "Hello" } }),
);

// The stream, as a page reads it: frame by frame, until the turn has ended.
const { response } = await client.GET("/v1/sessions/{session_id}/events", {
  params,
  parseAs: "stream",
});
if (response.body === null) throw new Error("no stream");
const types: Event["type"][] = [];
let text = "";
let left = "";
reading: for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
  const frames = (left + chunk).split("\n\n");
  left = frames.pop() ?? "";
  for (const frame of frames) {
    const data = /^data: (.*)$/m.exec(frame)?.[1];
    if (data === undefined || /^event: (connected|disconnecting)$/m.test(frame)) continue;
    const event = JSON.parse(data) as Event;
    types.push(event.type);
    if (event.type === "message.delta") text += event.data.delta;
    if (event.type === "session.completed") break reading;
  }
}

const listed = need(
  await client.GET("/v1/sessions/{session_id}/events/list", {
    params: { ...params, query: { types: ["message.created"] } },
  }),
);
const texts = listed.data.flatMap((event) =>
  event.type === "message.created"
    ? event.data.message.content.map((part) => (part.type === "text" ? part.text : part.type))
    : [],
);
const misspelt = { agent: "clerk" };
const refused = await client.POST("/v1/sessions", { body: misspelt as object });

console.log(
  JSON.stringify({ sent: sent.role, types, text, texts, code: refused.error?.error.code }),
);
process.exit(0);
