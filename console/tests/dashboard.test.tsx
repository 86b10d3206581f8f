import { cleanup, render } from "@testing-library/react";
import { afterEach, describe, expect, it } from "vitest";
import type { Schemas } from "../src/api/client";
import { AboutDashboard, DashboardAddress, pageOf, tunnelTo } from "../src/cluster/dashboard";
import { offerOf } from "../src/cluster/dashboardOffer";

const OWN = "http://127.0.0.1:8265";
const OF_A_POD = "http://10.0.0.7:8265";
const REMOTE = "agents.example.com";

afterEach(cleanup);

/** A setting as the server tells it. */
function setting(name: string, value: string | null, isDefault = false): Schemas["ShownSetting"] {
  return {
    name,
    value,
    description: "",
    is_set: value !== null,
    is_default: isDefault,
    is_secret: false,
  };
}

/** The settings of a server. */
function settings(dashboard: string, rayAddress: string | null = null, dataDir?: string) {
  return [
    setting("dashboard", dashboard),
    setting("ray_address", rayAddress, rayAddress === null),
    setting("data_dir", dataDir ?? "/home/me/.everruns", dataDir === undefined),
  ];
}

interface Around {
  /** Where the dashboard is. */
  address?: string | null;
  /** The host name in the address of the page. */
  pageHost?: string;
  /** The host names of the cluster's nodes; the first one is the head. */
  hosts?: readonly string[];
}

/** What the screen says about the dashboard of a server with these settings. */
function words(
  of: ReturnType<typeof settings> | null,
  { address = null, pageHost = REMOTE, hosts = ["head-1", "worker-1"] }: Around = {},
): string {
  const nodes = hosts.map((hostname, at) => ({ hostname, is_head: at === 0 }));
  const { container } = render(
    <DashboardAddress value={address}>
      <AboutDashboard offer={offerOf(of)} nodes={nodes} pageHost={pageHost} />
    </DashboardAddress>,
  );
  return container.textContent ?? "";
}

describe("a dashboard that does not run", () => {
  it("is started by a command where the server offers it", () => {
    expect(words(settings("on_demand"))).toContain("everruns dashboard starts it");
  });

  it("is started by a command that names the server's data directory", () => {
    const said = words(settings("on_demand", null, "/srv/our agents"));
    expect(said).toContain("everruns dashboard --data-dir '/srv/our agents' starts it");
  });

  it("is started by the server alone where it starts with it", () => {
    const said = words(settings("on"));
    expect(said).toContain("dashboard = on");
    expect(said).not.toContain("everruns dashboard");
  });

  it("needs another setting where it is turned off", () => {
    const said = words(settings("off"));
    expect(said).toContain("dashboard = off");
    expect(said).toContain("takes effect when the server is started again");
  });

  it.each(["on_demand", "on", "off"])(
    "is up to the cluster that the server has joined, also with dashboard = %s",
    (dashboard) => {
      const said = words(settings(dashboard, "auto"));
      expect(said).toContain("has joined a Ray cluster");
      expect(said).not.toContain("everruns dashboard");
    },
  );

  it("is described without a claim where the server does not tell its settings", () => {
    expect(words(null)).toContain("Where the server offers it");
  });
});

describe("a dashboard that runs", () => {
  it("asks for the token of the server that owns it", () => {
    const said = words(settings("on", null, "/srv/agents"), { address: OWN });
    expect(said).toContain("everruns token --data-dir /srv/agents prints");
  });

  it.each([
    ["of a cluster that was joined", settings("on_demand", "auto"), OWN],
    ["that others can reach, as no server's own can be", settings("on_demand"), OF_A_POD],
    ["that others can reach, of a server that does not tell its settings", null, OF_A_POD],
  ])("%s asks for the token of that cluster", (_, of, address) => {
    const said = words(of, { address });
    expect(said).toContain("that cluster's token");
    expect(said).not.toContain("everruns token");
  });

  it("is described without a claim where the server does not tell its settings", () => {
    const said = words(null, { address: OWN });
    expect(said).toContain("If it asks for a token, everruns token prints it");
    expect(said).toContain("unless the server has joined a Ray cluster");
  });
});

describe("the tunnel to a dashboard that listens on loopback", () => {
  it("leads to the machine of the page where the server owns it", () => {
    const said = words(settings("on"), { address: OWN, hosts: ["internal-name"] });
    expect(said).toContain("It listens on that machine only.");
    expect(said).toContain("ssh -L 8265:127.0.0.1:8265 agents.example.com");
  });

  it.each([
    ["where the server has joined it", settings("on_demand", "auto")],
    ["where the server does not tell its settings", null],
  ])("leads to the head node of a cluster, %s", (_, of) => {
    const said = words(of, { address: OWN });
    expect(said).toContain("It listens on the head node only.");
    expect(said).toContain("ssh -L 8265:127.0.0.1:8265 head-1");
  });

  it("leads to the head node from a page on this machine, if the cluster has other nodes", () => {
    const said = words(settings("on_demand", "auto"), { address: OWN, pageHost: "localhost" });
    expect(said).toContain("ssh -L 8265:127.0.0.1:8265 head-1");
  });

  it.each([
    ["a server's own", settings("on")],
    ["that of a cluster that was joined", settings("on_demand", "auto")],
    ["that of a server that does not tell its settings", null],
  ])("is not offered for %s, if all of it is on the machine of the page", (_, of) => {
    const said = words(of, { address: OWN, pageHost: "localhost", hosts: ["laptop"] });
    expect(said).not.toContain("ssh");
    expect(said).not.toContain("listens");
  });
});

describe("the address of the dashboard", () => {
  it("has a page for each actor and node", () => {
    expect(pageOf(OWN, "actors", "a1")).toBe("http://127.0.0.1:8265/#/actors/a1");
    expect(pageOf(OWN, "cluster/nodes", "n1")).toBe("http://127.0.0.1:8265/#/cluster/nodes/n1");
  });

  it("on the loopback of another machine is reached through a tunnel", () => {
    expect(tunnelTo(OWN, REMOTE)).toBe("ssh -L 8265:127.0.0.1:8265 agents.example.com");
  });

  it.each([
    [OWN, "127.0.0.1"],
    [OWN, "localhost"],
    [OF_A_POD, REMOTE],
  ])("at %s is reached from a page at %s without one", (at, host) => {
    expect(tunnelTo(at, host)).toBeNull();
  });
});
