/** The Ray dashboard: where it is, and its pages for nodes and actors. */

import { createContext, type ReactNode, useContext } from "react";
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
  /** The host name of the cluster's head node, if it is known. */
  head: string | undefined;
}

/** How to reach the dashboard or, while it does not run, who starts it and how. */
export function AboutDashboard({ offer, head }: AboutDashboardProps) {
  const address = useContext(DashboardAddress);
  if (address === null) {
    return (
      <p className={styles.quiet}>
        The Ray dashboard shows the logs and stack traces of each process.{" "}
        <NotRunning offer={offer} />
      </p>
    );
  }
  // A server's own dashboard listens on loopback only.
  const isOwn = offer.starter !== "joined" && isLoopback(address);
  const tunnel = tunnelTo(address, isOwn ? window.location.hostname : (head ?? "HEAD"));
  return (
    <div className={styles.section}>
      <p className={styles.quiet}>
        Names link to the{" "}
        <a href={address} target="_blank" rel="noopener noreferrer">
          Ray dashboard
        </a>
        , with the logs and stack traces of each process.{" "}
        {isOwn ? (
          <>
            It asks for a token, which <code>everruns token{offer.flag}</code> prints on the machine
            of the server.
          </>
        ) : (
          "It belongs to the cluster that this server has joined, and may ask for that cluster's token."
        )}
        {tunnel !== null &&
          ` It listens on ${isOwn ? "that machine" : "the head node"} only. This makes it reachable from another:`}
      </p>
      {tunnel !== null && <Command text={tunnel} />}
    </div>
  );
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
          The server starts it when it starts itself (<code>dashboard = on</code>); now it does not
          answer. It comes back when the server is started again.
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
