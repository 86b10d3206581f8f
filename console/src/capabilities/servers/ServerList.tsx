import { Link } from "@tanstack/react-router";
import type { Schemas } from "../../api/client";
import styles from "../Capabilities.module.css";

/** The MCP servers of the catalogue and of the configuration. */
export function ServerList({ servers }: { servers: readonly Schemas["McpServer"][] }) {
  return (
    <ul>
      {servers.map((server) => (
        <li key={server.id}>
          <Link to="/capabilities" search={{ server: server.id }} className={styles.entry}>
            <span className={styles.name}>
              {server.name}
              {server.status === "disabled" && <span className={styles.about}> disabled</span>}
            </span>
            <span className={styles.about}>{server.url ?? server.command?.join(" ")}</span>
          </Link>
        </li>
      ))}
    </ul>
  );
}
