import { useState } from "react";
import { Button } from "../parts/Button";
import { Fold } from "../parts/form/Fold";
import { Section } from "../parts/form/Section";
import { TextField } from "../parts/form/TextField";
import { isSame } from "../parts/json";
import { ServerFields } from "../parts/ServerFields";
import type { Draft, OwnServer } from "./draft";
import type { SectionOf } from "./section";

interface NamedServer {
  name: string;
  server: OwnServer;
}

/** MCP servers that the agent brings along, besides those of the catalogue. */
export function ServersSection({ draft, change }: SectionOf) {
  // In rows, because a name is on its way to another while it is typed.
  const [kept, setKept] = useState(() => rowsOf(draft.mcp_servers));
  const rows = isSame(mapOf(kept), draft.mcp_servers) ? kept : rowsOf(draft.mcp_servers);

  function set(next: readonly NamedServer[]) {
    setKept(next);
    change("mcp_servers", mapOf(next));
  }

  function replace(place: number, row: NamedServer) {
    set(rows.map((other, index) => (index === place ? row : other)));
  }

  return (
    <Section
      title="MCP servers of this agent"
      summary={rows.length === 0 ? "none" : String(rows.length)}
      startsOpen={rows.length > 0}
      about="Servers that every agent may use are in the catalogue, and are capabilities here."
    >
      {rows.map((row, place) => (
        <Fold
          // biome-ignore lint/suspicious/noArrayIndexKey: a name changes while it is typed.
          key={place}
          title={row.name || "New server"}
          startsOpen={row.name === ""}
        >
          <TextField
            label="Name"
            name={`mcp_servers.${row.name}`}
            isRequired
            isMono
            value={row.name}
            placeholder="tickets"
            onChange={(name) => replace(place, { ...row, name })}
          />
          <ServerFields
            server={row.server}
            path={`mcp_servers.${row.name}.`}
            onChange={(server) => replace(place, { ...row, server })}
          />
          <Button onClick={() => set(rows.filter((_, index) => index !== place))}>
            Remove {row.name || "this server"}
          </Button>
        </Fold>
      ))}
      <div>
        <Button onClick={() => set([...rows, { name: "", server: { url: "" } }])}>
          Add a server
        </Button>
      </div>
    </Section>
  );
}

function rowsOf(servers: Draft["mcp_servers"]): readonly NamedServer[] {
  return Object.entries(servers).map(([name, server]) => ({ name, server }));
}

function mapOf(rows: readonly NamedServer[]): Draft["mcp_servers"] {
  return Object.fromEntries(
    rows.filter(({ name }) => name !== "").map(({ name, server }) => [name, server]),
  );
}
