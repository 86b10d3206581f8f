import { useState } from "react";
import { HeadersField, headersFromWire, headersOnWire } from "./form/HeadersField";
import { ListField } from "./form/ListField";
import { SelectField } from "./form/SelectField";
import { TextField } from "./form/TextField";
import { isSame } from "./json";

/** What an MCP server has wherever it is named: in the catalogue, or at an agent. */
export interface ServerValues {
  type?: "http" | "sse";
  url: string;
  headers?: Record<string, string> | null;
  allowed_tools?: string[] | null;
  require_approval?: "always" | "never" | string[];
}

interface ServerFieldsProps<Values extends ServerValues> {
  server: Values;
  onChange: (server: Values) => void;
  /** The server's path on the wire, with a dot at its end; empty for the whole. */
  path: string;
}

const SOME = "some";

/** The fields of an MCP server's address, credentials and limits. */
export function ServerFields<Values extends ServerValues>({
  server,
  onChange,
  path,
}: ServerFieldsProps<Values>) {
  const approval = server.require_approval ?? "never";
  return (
    <>
      <TextField
        label="URL"
        name={`${path}url`}
        type="url"
        isRequired
        isMono
        value={server.url}
        placeholder="https://tickets.example.com/mcp"
        onChange={(url) => onChange({ ...server, url })}
      />
      <SelectField
        label="Transport"
        name={`${path}type`}
        value={server.type ?? "http"}
        options={[
          { value: "http", label: "Streamable HTTP" },
          { value: "sse", label: "SSE, for older servers" },
        ]}
        onChange={(type) => onChange({ ...server, type })}
      />
      <ServerHeaders
        path={path}
        headers={server.headers}
        onChange={(headers) => onChange({ ...server, headers })}
      />
      <ListField
        label="Offered tools"
        name={`${path}allowed_tools`}
        hint="The server's names of the tools to offer; all of them if this is empty."
        values={server.allowed_tools ?? []}
        onChange={(names) =>
          onChange({ ...server, allowed_tools: names.length === 0 ? null : names })
        }
      />
      <SelectField
        label="Approval"
        name={`${path}require_approval`}
        hint="Which calls are held until somebody allows them."
        value={Array.isArray(approval) ? SOME : approval}
        options={[
          { value: "never", label: "No calls" },
          { value: "always", label: "All calls" },
          { value: SOME, label: "Calls of some tools" },
        ]}
        onChange={(choice) =>
          onChange({ ...server, require_approval: choice === SOME ? [] : choice })
        }
      />
      {Array.isArray(approval) && (
        <ListField
          label="Tools that need approval"
          name={`${path}require_approval`}
          values={approval}
          onChange={(names) => onChange({ ...server, require_approval: names })}
        />
      )}
    </>
  );
}

/** The headers, in rows: while two have one name, the wire could not say them. */
function ServerHeaders({
  path,
  headers,
  onChange,
}: {
  path: string;
  headers: Record<string, string> | null | undefined;
  onChange: (headers: Record<string, string>) => void;
}) {
  const [rows, setRows] = useState(() => headersFromWire(headers));
  const shown = isSame(headersOnWire(rows), headers ?? {}) ? rows : headersFromWire(headers);
  return (
    <HeadersField
      label="Headers"
      name={`${path}headers`}
      hint="They go with every request. Their values are never shown again."
      headers={shown}
      onChange={(next) => {
        setRows(next);
        onChange(headersOnWire(next));
      }}
    />
  );
}
