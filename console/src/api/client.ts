/** The server's API, typed by its OpenAPI document. */

import createClient, { type Middleware } from "openapi-fetch";
import { noteRefusal, requestHeaders } from "./credential";
import { Failure, readFailure, unanswered } from "./failures";
import type { components, paths } from "./schema";

/** What the server calls its objects, such as `Schemas["Agent"]`. */
export type Schemas = components["schemas"];

const authorized: Middleware = {
  onRequest({ request }) {
    for (const [name, value] of Object.entries(requestHeaders())) {
      // A request that tries out another key brings it along.
      if (!request.headers.has(name)) request.headers.set(name, value);
    }
  },
  async onResponse({ request, response }) {
    if (response.status === 401) noteRefusal(request.headers.get("Authorization") ?? undefined);
    if (!response.ok) throw await readFailure(response);
  },
  onError({ error }) {
    return unanswered(error);
  },
};

/** Requests to the server: `api.GET("/v1/agents")`. A failure is thrown as a `Failure`. */
export const api = createClient<paths>({ baseUrl: "" });
api.use(authorized);

/**
 * Return the body of an answer.
 *
 * @throws Failure - The request failed.
 */
export async function answered<Body>(
  request: Promise<{ data?: Body; response: Response }>,
): Promise<Body> {
  const { data, response } = await request.catch(unread);
  if (data === undefined) throw await readFailure(response);
  return data;
}

/** Throw why there is no body: it is not JSON, or the connection was lost. */
function unread(error: unknown): never {
  if (!(error instanceof SyntaxError)) throw unanswered(error);
  throw new Failure("UNREADABLE", "The server has sent an answer that is not JSON.", 0);
}
