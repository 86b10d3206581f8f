import { getRouteApi, Link } from "@tanstack/react-router";
import { useCapabilities } from "../api/catalogue";
import { pageNumber } from "../api/pages";
import { Curl } from "../parts/Curl";
import { State } from "../parts/State";
import { useTitle } from "../parts/title";
import styles from "./Capabilities.module.css";
import { CapabilityDetail } from "./CapabilityDetail";
import { CapabilityList } from "./CapabilityList";
import { useServers } from "./queries";
import { NewServer } from "./servers/NewServer";
import { ServerDetail } from "./servers/ServerDetail";
import { ServerList } from "./servers/ServerList";

const route = getRouteApi("/capabilities");

/** The `server` in the address that stands for one to be added. */
const NEW_SERVER = "new";
const EXAMPLE = { name: "tickets", url: "https://tickets.example.com/mcp" };

/** What agents can be given: capabilities, and MCP servers. */
export function Capabilities() {
  useTitle("Capabilities");
  const { capability, server, page } = route.useSearch();
  const capabilities = useCapabilities();
  const servers = useServers();
  const isOpen = capability !== undefined || server !== undefined;

  return (
    <>
      <h1 className={styles.title}>Capabilities</h1>
      <div className={styles.columns} data-open={isOpen || undefined}>
        <div className={styles.lists}>
          <section>
            <h2>Built in and from packages</h2>
            <State query={capabilities} rows={10}>
              {(all) => <CapabilityList capabilities={all.filter(({ is_mcp }) => !is_mcp)} />}
            </State>
          </section>
          <section>
            <header className={styles.heading}>
              <h2>MCP servers</h2>
              <Link to="/capabilities" search={{ server: NEW_SERVER }}>
                Add a server
              </Link>
            </header>
            <State
              query={servers}
              isEmpty={(list) => list.length === 0}
              empty={
                <>
                  <p>
                    A server of the Model Context Protocol offers tools. Added here, each of your
                    agents can use it as a capability.
                  </p>
                  <Curl method="POST" path="/v1/mcp-servers" body={EXAMPLE} />
                </>
              }
            >
              {(list) => <ServerList servers={list} />}
            </State>
          </section>
        </div>
        {isOpen && (
          <div className={styles.detail}>
            <Link to="/capabilities" className={styles.back}>
              All capabilities
            </Link>
            {server === NEW_SERVER && <NewServer />}
            {server !== undefined && server !== NEW_SERVER && (
              <State query={servers}>
                {(list) => <ServerDetail id={server} servers={list} page={pageNumber(page)} />}
              </State>
            )}
            {server === undefined && capability !== undefined && (
              <State query={capabilities}>
                {(all) => <CapabilityDetail id={capability} capabilities={all} />}
              </State>
            )}
          </div>
        )}
      </div>
    </>
  );
}
