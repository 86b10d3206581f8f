/** The Ray dashboard: where it is, and its pages for nodes and actors. */

import { createContext, type ReactNode, useContext } from "react";
import { Command } from "../parts/Curl";
import styles from "./Cluster.module.css";

const LOOPBACK = /^(localhost|.*\.localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/** The address of the dashboard; null while it does not run. */
export const DashboardAddress = createContext<string | null>(null);

interface InDashboardProps {
  /** What it is; Ray's words for it are in the addresses of the dashboard. */
  kind: "actors" | "cluster/nodes";
  /** Ray's id of it, if it is known. */
  id: string | null | undefined;
  children: ReactNode;
}

/** A name that links to its page in the dashboard, while that runs. */
export function InDashboard({ kind, id, children }: InDashboardProps) {
  const address = useContext(DashboardAddress);
  if (address === null || id == null) return children;
  return (
    <a
      href={pageOf(address, kind, id)}
      title="In the Ray dashboard"
      target="_blank"
      rel="noopener noreferrer"
    >
      {children}
    </a>
  );
}

/** How to reach the dashboard, or how to start it. */
export function AboutDashboard() {
  const address = useContext(DashboardAddress);
  if (address === null) {
    return (
      <p className={styles.quiet}>
        The Ray dashboard is not running. It shows the logs and stack traces of each process;{" "}
        <code>everruns dashboard</code> starts it, on the machine of the server.
      </p>
    );
  }
  const tunnel = tunnelTo(address, window.location.hostname);
  return (
    <div className={styles.section}>
      <p className={styles.quiet}>
        Names link to the{" "}
        <a href={address} target="_blank" rel="noopener noreferrer">
          Ray dashboard
        </a>
        , with the logs and stack traces of each process. It asks for a token, which{" "}
        <code>everruns token</code> prints on the machine of the server.
        {tunnel !== null && " It listens on that machine only. This makes it reachable from yours:"}
      </p>
      {tunnel !== null && <Command text={tunnel} />}
    </div>
  );
}

/** Return the address of the dashboard's page for something. */
export function pageOf(address: string, kind: InDashboardProps["kind"], id: string): string {
  return `${address}/#/${kind}/${encodeURIComponent(id)}`;
}

/**
 * Return the command that forwards the dashboard's port, or null if the page needs no tunnel.
 *
 * @param address - The dashboard's address.
 * @param host - The host name at which this page reached the server.
 */
export function tunnelTo(address: string, host: string): string | null {
  const { hostname, port } = new URL(address);
  if (!LOOPBACK.test(hostname) || LOOPBACK.test(host)) return null;
  return `ssh -L ${port}:${hostname}:${port} ${host}`;
}
