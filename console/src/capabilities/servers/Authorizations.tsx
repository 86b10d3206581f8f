import { Link } from "@tanstack/react-router";
import { useState } from "react";
import type { Schemas } from "../../api/client";
import { Button } from "../../parts/Button";
import { Confirm } from "../../parts/Confirm";
import { Id } from "../../parts/Id";
import { Pages } from "../../parts/Pages";
import { State } from "../../parts/State";
import { Table } from "../../parts/Table";
import { ACTIONS, TableHead } from "../../parts/TableHead";
import { Time } from "../../parts/Time";
import styles from "../Capabilities.module.css";
import { AUTHORIZATIONS_PER_PAGE, useAuthorizations, useEndAuthorization } from "../queries";
import { Authorize } from "./Authorize";
import type { Server } from "./draft";

type Authorization = Schemas["McpAuthorization"];

/** Who has authorized agents at a server. */
export function Authorizations({ server, page }: { server: Server; page: number }) {
  const query = useAuthorizations(server.id, page);
  const [ended, setEnded] = useState<Authorization>();
  return (
    <section>
      <h3>Authorizations</h3>
      <State
        query={query}
        rows={2}
        isEmpty={({ total }) => total === 0}
        empty={
          <p className={styles.about}>
            Nobody has authorized agents yet. In a conversation, an agent asks its user for it.
          </p>
        }
      >
        {({ data, total }) => (
          <>
            <AuthorizationTable authorizations={data} onEnd={setEnded} />
            <Pages
              of="authorizations"
              page={page}
              length={AUTHORIZATIONS_PER_PAGE}
              shown={data.length}
              total={total}
              link={(other, rel, words) => (
                <Link
                  to="/capabilities"
                  search={{ server: server.id, page: String(other) }}
                  rel={rel}
                >
                  {words}
                </Link>
              )}
            />
          </>
        )}
      </State>
      {server.auth?.acts_as !== "service" && <Authorize serverId={server.id} />}
      {ended !== undefined && (
        <End serverId={server.id} authorization={ended} onClose={() => setEnded(undefined)} />
      )}
    </section>
  );
}

interface AuthorizationTableProps {
  authorizations: readonly Authorization[];
  onEnd: (authorization: Authorization) => void;
}

function AuthorizationTable({ authorizations, onEnd }: AuthorizationTableProps) {
  return (
    <Table label="Authorizations">
      <TableHead columns={["End user", "Agent", "State", "Since", ACTIONS]} />
      <tbody>
        {authorizations.map((one) => (
          <tr key={one.id}>
            <td>{one.end_user ?? "the application itself"}</td>
            <td>{one.agent_id && <Id id={one.agent_id} />}</td>
            <td>{one.status === "expired" ? "expired: consent again" : "connected"}</td>
            <td>
              <Time at={one.created_at} />
            </td>
            <td>
              <Button tone="quiet" onClick={() => onEnd(one)}>
                End
              </Button>
            </td>
          </tr>
        ))}
      </tbody>
    </Table>
  );
}

interface EndProps {
  serverId: string;
  authorization: Authorization;
  onClose: () => void;
}

function End({ serverId, authorization, onClose }: EndProps) {
  const end = useEndAuthorization(serverId);
  return (
    <Confirm
      isOpen
      onClose={onClose}
      title="End this authorization?"
      action="End authorization"
      isBusy={end.isPending}
      error={end.error}
      onConfirm={() => end.mutate(authorization.id, { onSuccess: onClose })}
    >
      <p>
        Its tokens are deleted here, and sessions ask again. It is not revoked at the authorization
        server.
      </p>
    </Confirm>
  );
}
