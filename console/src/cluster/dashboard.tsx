/** The Ray dashboard: where it is, and its pages for nodes and actors. */

import { createContext, type ReactNode, useContext } from "react";
import type { Schemas } from "../api/client";
import { Command } from "../parts/Curl";
import styles from "./Cluster.module.css";
import type { DashboardOffer } from "./dashboardOffer";

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

interface AboutDashboardProps {
  offer: DashboardOffer;
  /** The nodes of the cluster. */
  nodes: readonly Pick<Schemas["NodeState"], "hostname" | "is_head">[];
  /** The host name in the address of this page. */
  pageHost: string;
}

/** How to reach the dashboard or, while it does not run, who starts it and how. */
export function AboutDashboard({ offer, nodes, pageHost }: AboutDashboardProps) {
  const address = useContext(DashboardAddress);
  if (address === null) {
    return (
      <p className={styles.quiet}>
        The Ray dashboard shows the logs and stack traces of each process.{" "}
        <NotRunning offer={offer} />
      </p>
    );
  }
  const owner = ownerOf(offer, address);
  // With one node, a page on the same machine as its server is on that of the dashboard, too.
  const isOnPageHost = owner === "server" || (nodes.length === 1 && LOOPBACK.test(pageHost));
  const head = nodes.find((node) => node.is_head)?.hostname ?? "HEAD";
  const tunnel = tunnelTo(address, isOnPageHost ? pageHost : head);
  return (
    <div className={styles.section}>
      <p className={styles.quiet}>
        Names link to the{" "}
        <a href={address} target="_blank" rel="noopener noreferrer">
          Ray dashboard
        </a>
        , with the logs and stack traces of each process. <Token owner={owner} flag={offer.flag} />
        {tunnel !== null &&
          ` It listens on ${owner === "server" ? "that machine" : "the head node"} only. This makes it reachable from another machine:`}
      </p>
      {tunnel !== null && <Command text={tunnel} />}
    </div>
  );
}

/** Who owns a dashboard that runs: this server, a cluster that it has joined, or one of the two. */
type Owner = "server" | "cluster" | "untold";

function ownerOf({ starter }: DashboardOffer, address: string): Owner {
  // A server's own dashboard listens on loopback only.
  if (starter === "joined" || !isLoopback(address)) return "cluster";
  return starter === "untold" ? "untold" : "server";
}

function Token({ owner, flag }: { owner: Owner; flag: string }) {
  switch (owner) {
    case "server":
      return (
        <>
          It asks for a token, which <code>everruns token{flag}</code> prints on the machine of the
          server.
        </>
      );
    case "cluster":
      return "It belongs to the cluster that this server has joined, and may ask for that cluster's token.";
    case "untold":
      return (
        <>
          If it asks for a token, <code>everruns token</code> prints it on the machine of the
          server, unless the server has joined a Ray cluster: then it is that cluster's token.
        </>
      );
  }
}

function NotRunning({ offer: { starter, flag } }: { offer: DashboardOffer }) {
  switch (starter) {
    case "on_demand":
      return (
        <>
          It is not running; <code>everruns dashboard{flag}</code> starts it, on the machine of the
          server.
        </>
      );
    case "on":
      return (
        <>
          It starts with the server (<code>dashboard = on</code>), but is not answering now. It
          comes back when the server is started again.
        </>
      );
    case "off":
      return (
        <>
          It is turned off on this server (<code>dashboard = off</code>). With{" "}
          <code>dashboard = on_demand</code>, which takes effect when the server is started again,{" "}
          <code>everruns dashboard{flag}</code> starts it.
        </>
      );
    case "joined":
      return (
        <>
          It is not running. This server has joined a Ray cluster; whoever starts that cluster
          decides about its dashboard.
        </>
      );
    case "untold":
      return (
        <>
          It is not running. Where the server offers it (<code>dashboard = on_demand</code>, the
          default), <code>everruns dashboard</code> starts it, on the machine of the server.
        </>
      );
  }
}

/** Return the address of the dashboard's page for something. */
export function pageOf(address: string, kind: InDashboardProps["kind"], id: string): string {
  return `${address}/#/${kind}/${encodeURIComponent(id)}`;
}

/**
 * Return the command that forwards the dashboard's port, or null if the page needs no tunnel.
 *
 * @param address - The dashboard's address.
 * @param host - The host name of the machine that the dashboard runs on.
 */
export function tunnelTo(address: string, host: string): string | null {
  if (!isLoopback(address) || LOOPBACK.test(host)) return null;
  const { hostname, port } = new URL(address);
  return `ssh -L ${port}:${hostname}:${port} ${host}`;
}

function isLoopback(address: string): boolean {
  return LOOPBACK.test(new URL(address).hostname);
}
