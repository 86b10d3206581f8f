import { Button } from "../../parts/Button";
import { withVisibleControls } from "../../parts/controls";
import { duration } from "../../parts/formats";
import { Failed } from "../../parts/State";
import styles from "../Capabilities.module.css";
import { useTestServer } from "../queries";

/** A button that connects to a server, and what came of it. */
export function ServerTest({ serverId }: { serverId: string }) {
  const test = useTestServer(serverId);
  const result = test.data;
  return (
    <section>
      <h3>Connection</h3>
      <div className={styles.heading}>
        <Button isBusy={test.isPending} onClick={() => test.mutate()}>
          Test the server
        </Button>
        <span role="status">
          {test.isPending && "Connecting, for up to 20 s…"}
          {result !== undefined && (
            <span className={result.ok ? styles.good : styles.bad}>
              {result.ok ? "It answers" : (result.code ?? "It does not answer")} after{" "}
              {duration(result.duration_ms)}
            </span>
          )}
        </span>
      </div>
      {test.error !== null && <Failed error={test.error} />}
      {result !== undefined && (
        <>
          <p>{result.message}</p>
          {result.server_name && (
            <p className={styles.about}>
              {[result.server_name, result.server_version].filter(Boolean).join(" ")}
              {result.protocol_version && `, protocol ${result.protocol_version}`}
            </p>
          )}
          <dl className={styles.tools}>
            {(result.tools ?? []).map((tool) => (
              <div key={tool.name}>
                <dt>
                  <code>{tool.name}</code>
                </dt>
                <dd className={styles.about}>{withVisibleControls(tool.description ?? "")}</dd>
              </div>
            ))}
          </dl>
        </>
      )}
    </section>
  );
}
