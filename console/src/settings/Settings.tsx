import { useDeployment } from "../parts/deployment";
import { Head } from "../parts/Head";
import { State } from "../parts/State";
import { About } from "./About";
import { ApiKeys } from "./ApiKeys";
import { Configuration } from "./Configuration";
import { Credential } from "./Credential";
import { Preferences } from "./Preferences";
import styles from "./Settings.module.css";

/** What this browser prefers, who may use the server, and how it is configured. */
export function Settings() {
  const deployment = useDeployment();
  return (
    <>
      <Head title="Settings" />
      <div className={styles.sections}>
        <Preferences />
        <State query={deployment} rows={6}>
          {(server) => (
            <>
              <Credential deployment={server} />
              {!server.caller.has_limits && <ApiKeys auth={server.auth} />}
              {server.settings != null && <Configuration settings={server.settings} />}
              <About deployment={server} />
            </>
          )}
        </State>
      </div>
    </>
  );
}
