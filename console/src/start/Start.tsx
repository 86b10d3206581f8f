import { Button } from "../parts/Button";
import { useDeployment } from "../parts/deployment";
import { Head } from "../parts/Head";
import { useNewSession } from "../parts/newSession";
import { Failed, State } from "../parts/State";
import { Doors } from "./Doors";
import { useSessions } from "./queries";
import { SessionList } from "./SessionList";
import { Spend } from "./Spend";
import styles from "./Start.module.css";

/** What is going on; on a new server, how to begin. */
export function Start() {
  const recent = useSessions("recent", 8);
  const begin = useNewSession();
  const isFirstRun = recent.data?.total === 0;
  return (
    <>
      <Head title={isFirstRun ? "Welcome" : "Start"}>
        {recent.data !== undefined && !isFirstRun && (
          <Button tone="primary" isBusy={begin.isPending} onClick={() => begin.mutate({})}>
            New session
          </Button>
        )}
      </Head>
      {begin.error !== null && <Failed error={begin.error} />}
      <State query={recent} rows={8}>
        {(page) =>
          page.total === 0 ? (
            <FirstRun />
          ) : (
            <div className={styles.columns}>
              <div className={styles.lists}>
                <Waiting />
                <Running />
                <SessionList name="Recent" sessions={page.data} total={page.total} search={{}} />
              </div>
              <Spend />
            </div>
          )
        }
      </State>
    </>
  );
}

/** Nobody but administrators may see models, make agents and add providers. */
function FirstRun() {
  const deployment = useDeployment();
  const begin = useNewSession();
  if (deployment.data?.caller.has_limits !== true) return <Doors />;
  return (
    <div className={styles.empty}>
      <p>Your API key can see no sessions yet. Start one:</p>
      <Button tone="primary" isBusy={begin.isPending} onClick={() => begin.mutate({})}>
        New session
      </Button>
      {begin.error !== null && <Failed error={begin.error} />}
    </div>
  );
}

function Waiting() {
  const waiting = useSessions("waiting", 5);
  return (
    <State query={waiting} rows={1}>
      {({ data, total }) => (
        <SessionList
          name="Waiting for you"
          sessions={data}
          total={total}
          search={{ waiting: "true" }}
          none="Nothing is waiting for you."
        />
      )}
    </State>
  );
}

function Running() {
  const running = useSessions("running", 5);
  return (
    <State query={running} rows={1}>
      {({ data, total }) => (
        <SessionList
          name="Running now"
          sessions={data}
          total={total}
          search={{ status: "active" }}
          none="No turn is running."
        />
      )}
    </State>
  );
}
