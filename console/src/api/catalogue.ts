/** What there is to choose from: models and capabilities. */

import { useQuery } from "@tanstack/react-query";
import { answered, api, type Schemas } from "./client";
import { everyItem, LONGEST_PAGE } from "./pages";

// They change when somebody changes a provider or a server, and the page says so then.
const FRESH_MS = 30_000;

/** Return the models of all active providers. */
export function useModels() {
  return useQuery({
    queryKey: ["models"],
    queryFn: () =>
      everyItem<Schemas["OfferedModel"]>((offset) =>
        answered(api.GET("/v1/models", { params: { query: { offset, limit: LONGEST_PAGE } } })),
      ),
    staleTime: FRESH_MS,
  });
}

/** Return the capabilities: built-in, of packages, and active MCP servers; last those for tests. */
export function useCapabilities() {
  return useQuery({
    queryKey: ["capabilities"],
    queryFn: () =>
      everyItem<Schemas["CapabilityInfo"]>((offset) =>
        answered(
          api.GET("/v1/capabilities", { params: { query: { offset, limit: LONGEST_PAGE } } }),
        ),
      ),
    select: withTestsLast,
    staleTime: FRESH_MS,
  });
}

function withTestsLast(all: Schemas["CapabilityInfo"][]): Schemas["CapabilityInfo"][] {
  const isForTests = ({ category }: Schemas["CapabilityInfo"]) => category === "Testing";
  return [...all.filter((info) => !isForTests(info)), ...all.filter(isForTests)];
}
