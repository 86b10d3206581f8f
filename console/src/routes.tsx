/** Every address of the console, and what is shown there. */

import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
} from "@tanstack/react-router";
import type { SessionSearch, SessionsSearch, UsageSearch } from "./searches";
import { Broken } from "./shell/Broken";
import { NotFound } from "./shell/NotFound";
import { Shell } from "./shell/Shell";

const root = createRootRoute({
  component: Shell,
  notFoundComponent: NotFound,
  errorComponent: Broken,
});

const start = createRoute({
  getParentRoute: () => root,
  path: "/",
  component: lazyRouteComponent(() => import("./start/Start"), "Start"),
});

const sessions = createRoute({
  getParentRoute: () => root,
  path: "/sessions",
  validateSearch: (search: Record<string, unknown>): SessionsSearch =>
    texts(search, ["search", "status", "waiting", "outcome", "agent", "since", "page"]),
  component: lazyRouteComponent(() => import("./sessions/Sessions"), "Sessions"),
});

const session = createRoute({
  getParentRoute: () => root,
  path: "/sessions/$sessionId",
  validateSearch: (search: Record<string, unknown>): SessionSearch =>
    texts(search, ["view", "event", "type", "turn", "file", "line", "find", "scale"]),
  component: lazyRouteComponent(() => import("./session/Session"), "Session"),
});

const agents = createRoute({
  getParentRoute: () => root,
  path: "/agents",
  validateSearch: (search: Record<string, unknown>): { search?: string; page?: string } =>
    texts(search, ["search", "page"]),
  component: lazyRouteComponent(() => import("./agents/Agents"), "Agents"),
});

const newAgent = createRoute({
  getParentRoute: () => root,
  path: "/agents/new",
  component: lazyRouteComponent(() => import("./agents/NewAgent"), "NewAgent"),
});

const agent = createRoute({
  getParentRoute: () => root,
  path: "/agents/$agentId",
  // The session in which the agent is tried next to its editor.
  validateSearch: (search: Record<string, unknown>): { try?: string } => texts(search, ["try"]),
  component: lazyRouteComponent(() => import("./agents/Agent"), "Agent"),
});

const providers = createRoute({
  getParentRoute: () => root,
  path: "/providers",
  validateSearch: (search: Record<string, unknown>): { add?: string; provider?: string } =>
    texts(search, ["add", "provider"]),
  component: lazyRouteComponent(() => import("./providers/Providers"), "Providers"),
});

const capabilities = createRoute({
  getParentRoute: () => root,
  path: "/capabilities",
  // The page is that of the server's authorizations.
  validateSearch: (
    search: Record<string, unknown>,
  ): { capability?: string; server?: string; page?: string } =>
    texts(search, ["capability", "server", "page"]),
  component: lazyRouteComponent(() => import("./capabilities/Capabilities"), "Capabilities"),
});

const usage = createRoute({
  getParentRoute: () => root,
  path: "/usage",
  validateSearch: (search: Record<string, unknown>): UsageSearch =>
    texts(search, ["period", "from", "to", "show", "group", "sort", "agent", "model"]),
  component: lazyRouteComponent(() => import("./usage/Usage"), "Usage"),
});

const cluster = createRoute({
  getParentRoute: () => root,
  path: "/cluster",
  component: lazyRouteComponent(() => import("./cluster/Cluster"), "Cluster"),
});

const sql = createRoute({
  getParentRoute: () => root,
  path: "/sql",
  validateSearch: (search: Record<string, unknown>): { query?: string } => texts(search, ["query"]),
  component: lazyRouteComponent(() => import("./sql/Sql"), "Sql"),
});

const settings = createRoute({
  getParentRoute: () => root,
  path: "/settings",
  component: lazyRouteComponent(() => import("./settings/Settings"), "Settings"),
});

export const router = createRouter({
  routeTree: root.addChildren([
    start,
    sessions,
    session,
    agents,
    newAgent,
    agent,
    providers,
    capabilities,
    usage,
    cluster,
    sql,
    settings,
  ]),
  // Values in an address are texts, and stand there as they are.
  parseSearch: (search) => Object.fromEntries(new URLSearchParams(search)),
  stringifySearch: inAddress,
  defaultPreload: "intent",
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}

/** Return search parameters as an address has them. */
function inAddress(search: Record<string, unknown>): string {
  const words = Object.entries(search).flatMap(([name, value]) =>
    typeof value === "string" ? [[name, value]] : [],
  );
  return words.length === 0 ? "" : `?${new URLSearchParams(words)}`;
}

/** Return those of an address's search parameters that are named and are texts. */
function texts<Name extends string>(
  search: Record<string, unknown>,
  names: readonly Name[],
): { [Key in Name]?: string } {
  const found: { [Key in Name]?: string } = {};
  for (const name of names) {
    const value = search[name];
    if (typeof value === "string" && value !== "") found[name] = value;
  }
  return found;
}
