/** The usage API, as JSON. */

import { answered, api, type Schemas } from "../api/client";
import { Failure } from "../api/failures";
import type { paths } from "../api/schema";

/** What a report counts, and by what it is divided. */
export type UsageQuery = NonNullable<paths["/v1/usage"]["get"]["parameters"]["query"]>;

/**
 * Return what was used.
 *
 * @throws Failure - The server gave no report.
 */
export async function usageReport(query: UsageQuery): Promise<Schemas["UsageReport"]> {
  const report = await answered(api.GET("/v1/usage", { params: { query } }));
  // The same route answers with text where CSV is asked for.
  if (typeof report === "string") {
    throw new Failure("UNREADABLE", "The server answered with text in place of a report.", 200);
  }
  return report;
}
