/** Agents and sessions that the palette finds. */

import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { answered, api } from "../api/client";

// How long a text must stay before the server is asked for it.
const PAUSE_MS = 150;

/** Ask the server for the agents and sessions that a text finds; for the newest without one. */
export function useFound(text: string) {
  const search = useSettled(text.trim());
  const query = { ...(search !== "" && { search }) };
  const sessions = useQuery({
    queryKey: ["sessions", "palette", search],
    queryFn: () =>
      answered(
        api.GET("/v1/sessions", { params: { query: { ...query, sort: "updated", limit: 6 } } }),
      ),
    placeholderData: keepPreviousData,
  });
  const agents = useQuery({
    queryKey: ["agents", "palette", search],
    queryFn: () => answered(api.GET("/v1/agents", { params: { query: { ...query, limit: 5 } } })),
    placeholderData: keepPreviousData,
  });
  return { sessions: sessions.data?.data ?? [], agents: agents.data?.data ?? [] };
}

function useSettled(text: string): string {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return settled;
}
