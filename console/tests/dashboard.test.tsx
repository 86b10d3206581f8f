import { cleanup, render } from "@testing-library/react";
import { afterEach, describe, expect, it } from "vitest";
import type { Schemas } from "../src/api/client";
import { AboutDashboard, DashboardAddress, pageOf, tunnelTo } from "../src/cluster/dashboard";
import { offerOf } from "../src/cluster/dashboardOffer";

const OWN = "http://127.0.0.1:8265";
const OF_A_POD = "http://10.0.0.7:8265";

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

/** What the screen says about the dashboard of a server with these settings. */
function words(of: ReturnType<typeof settings> | null, address: string | null = null): string {
  const { container } = render(
    <DashboardAddress value={address}>
      <AboutDashboard offer={offerOf(of)} head="head-1" />
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
    const said = words(settings("on", null, "/srv/agents"), OWN);
    expect(said).toContain("everruns token --data-dir /srv/agents prints");
  });

  it.each([
    ["of a cluster that was joined", settings("on_demand", "auto"), OWN],
    ["that others can reach, as no server's own can be", settings("on_demand"), OF_A_POD],
  ])("%s asks for the token of that cluster", (_, of, address) => {
    const said = words(of, address);
    expect(said).toContain("that cluster's token");
    expect(said).not.toContain("everruns token");
  });

  it("is reached through its head node where a joined cluster hides it", () => {
    expect(words(settings("on_demand", "auto"), OWN)).toContain(
      "ssh -L 8265:127.0.0.1:8265 head-1",
    );
  });
});

describe("the address of the dashboard", () => {
  it("has a page for each actor and node", () => {
    expect(pageOf(OWN, "actors", "a1")).toBe("http://127.0.0.1:8265/#/actors/a1");
    expect(pageOf(OWN, "cluster/nodes", "n1")).toBe("http://127.0.0.1:8265/#/cluster/nodes/n1");
  });

  it("on the loopback of another machine is reached through a tunnel", () => {
    expect(tunnelTo(OWN, "agents.example.com")).toBe(
      "ssh -L 8265:127.0.0.1:8265 agents.example.com",
    );
  });

  it.each([
    [OWN, "127.0.0.1"],
    [OWN, "localhost"],
    [OF_A_POD, "agents.example.com"],
  ])("at %s is reached from a page at %s without one", (at, host) => {
    expect(tunnelTo(at, host)).toBeNull();
  });
});
