import { Curl } from "../parts/Curl";
import { useDeployment } from "../parts/deployment";
import { Head } from "../parts/Head";
import { State } from "../parts/State";
import { Actors } from "./Actors";
import styles from "./Cluster.module.css";
import { AboutDashboard, DashboardAddress } from "./dashboard";
import { offerOf } from "./dashboardOffer";
import { Nodes } from "./Nodes";
import { Processes } from "./Processes";
import { type Observed, useCluster } from "./queries";
import { Sums } from "./Sums";

/** The nodes and processes of the server, and what they do now. */
export function Cluster() {
  const cluster = useCluster();
  return (
    <>
      <Head title="Cluster">
        <span className={styles.live}>
          {cluster.failureReason !== null ? "not answering" : "updated every 2 s"}
        </span>
      </Head>
      <State query={cluster} rows={12}>
        {(observed) => <Everything observed={observed} />}
      </State>
    </>
  );
}

function Everything({ observed }: { observed: Observed }) {
  const { state } = observed;
  const deployment = useDeployment();
  return (
    <DashboardAddress value={state.ray_dashboard ?? null}>
      <div className={styles.sections}>
        {state.problems.length > 0 && (
          <ul className={styles.problems} aria-label="Problems">
            {state.problems.map((problem) => (
              <li key={problem}>{problem}</li>
            ))}
          </ul>
        )}
        <Sums state={state} />
        <Actors observed={observed} />
        <Processes observed={observed} />
        <Nodes nodes={state.nodes} />
        {state.nodes.length > 0 && !deployment.isPending && (
          <AboutDashboard
            offer={offerOf(deployment.data?.settings)}
            nodes={state.nodes}
            pageHost={window.location.hostname}
          />
        )}
        <Curl path="/v1/cluster" />
      </div>
    </DashboardAddress>
  );
}
