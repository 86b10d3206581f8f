/** What the SQL screen asks the server for. */

import { useMutation, useQuery } from "@tanstack/react-query";
import { answered, api, type Schemas } from "../api/client";
import { Failure } from "../api/failures";
import { download } from "../parts/download";

/** A view that can be queried. */
export interface View {
  name: string;
  columns: { name: string; type: string }[];
}

/** Return the views with their columns. */
export function useViews() {
  return useQuery({
    queryKey: ["sql", "views"],
    queryFn: async () => {
      const { rows: names } = await run("SHOW TABLES");
      const views: View[] = [];
      // One after another: the server runs one query at a time and lets few wait.
      for (const [name] of names) {
        const { rows } = await run(`DESCRIBE ${String(name)}`);
        views.push({
          name: String(name),
          columns: rows.map(([column, type]) => ({ name: String(column), type: String(type) })),
        });
      }
      return views;
    },
    staleTime: Number.POSITIVE_INFINITY,
  });
}

/** Return what a query yields, once it was asked to run. */
export function useRows() {
  return useMutation({ mutationFn: run });
}

/** Save what a query yields as a file. */
export function useRowsFile() {
  return useMutation({
    mutationFn: ({ query, format }: { query: string; format: "csv" | "parquet" }) =>
      download(
        api.POST("/v1/sql", { body: { query, format }, parseAs: "blob" }),
        `query.${format}`,
      ),
  });
}

async function run(query: string): Promise<Schemas["SqlRows"]> {
  const rows = await answered(api.POST("/v1/sql", { body: { query } }));
  // The same route answers with text where CSV is asked for.
  if (typeof rows === "string") {
    throw new Failure("UNREADABLE", "The server answered with text in place of rows.", 200);
  }
  return rows;
}
