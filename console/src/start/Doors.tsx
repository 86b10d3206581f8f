import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Schemas } from "../api/client";
import { agentName } from "../api/displayNames";
import { Button } from "../parts/Button";
import { Curl } from "../parts/Curl";
import { useDeployment } from "../parts/deployment";
import { useNewSession } from "../parts/newSession";
import { Failed, State } from "../parts/State";
import styles from "./Doors.module.css";
import { useFirstSession } from "./firstSession";
import { useDemonstration, useFirstModel } from "./queries";

/** Three ways to begin on a new server. */
export function Doors() {
  const model = useFirstModel();
  const demonstration = useDemonstration();
  const deployment = useDeployment();
  return (
    <>
      <p className={styles.lead}>
        This server runs agents whose sessions outlive crashes. There are no sessions yet. Start
        with one of these:
      </p>
      <ul className={styles.doors}>
        <State query={model} rows={4}>
          {(first) => (first === null ? null : <TalkDoor model={first} />)}
        </State>
        <State query={demonstration} rows={4}>
          {(agent) => (agent === null ? null : <DemonstrationDoor agent={agent} />)}
        </State>
        <Door name="Use your own models">
          <p>Add a provider: OpenAI, Anthropic, Azure, or any server that speaks their APIs.</p>
          <Link to="/providers" search={{ add: "openai" }} className={styles.go}>
            Add a provider
          </Link>
        </Door>
      </ul>
      <section className={styles.terminal}>
        <h2>Or from a terminal</h2>
        <Curl method="POST" path="/v1/sessions" body={{ title: "First session" }} />
        {deployment.data?.docs === true && (
          <p>
            All requests are in the <a href="/swagger-ui/">API documentation</a>.
          </p>
        )}
      </section>
    </>
  );
}

function Door({ name, children }: { name: string; children: ReactNode }) {
  return (
    <li className={styles.door}>
      <h2>{name}</h2>
      {children}
    </li>
  );
}

function TalkDoor({ model }: { model: Schemas["OfferedModel"] }) {
  const begin = useFirstSession(model);
  return (
    <Door name={`Talk to ${model.display_name}`}>
      <p>{ABOUT[model.provider_type] ?? `A model of the provider ${model.provider_name}.`}</p>
      <Button tone="primary" isBusy={begin.isPending} onClick={() => begin.mutate()}>
        Start a session
      </Button>
      {begin.error !== null && <Failed error={begin.error} />}
    </Door>
  );
}

const ABOUT: Partial<Record<Schemas["OfferedModel"]["provider_type"], string>> = {
  local: "A small model on this machine. It needs no key, and nothing leaves the machine.",
  simulated:
    "Not a model: it repeats what you say, without a key or a network. For real answers, add a provider, or install the extra “local”.",
};

function DemonstrationDoor({ agent }: { agent: Schemas["Agent"] }) {
  const begin = useNewSession();
  return (
    <Door name="See what sessions can do">
      <p>
        The agent {agentName(agent)} follows a script: it calls tools, asks you a question, and asks
        for your approval.
      </p>
      <Button isBusy={begin.isPending} onClick={() => begin.mutate({ agent_id: agent.id })}>
        Start the demonstration
      </Button>
      {begin.error !== null && <Failed error={begin.error} />}
    </Door>
  );
}
