import { Link } from "@tanstack/react-router";
import type { Schemas } from "../api/client";
import { agentName } from "../api/displayNames";
import { withVisibleControls } from "../parts/controls";
import { exact } from "../parts/formats";
import { Json } from "../parts/Json";
import { State } from "../parts/State";
import styles from "./Capabilities.module.css";
import { useAgentsWith } from "./queries";

type Info = Schemas["CapabilityInfo"];

interface CapabilityDetailProps {
  id: string;
  capabilities: readonly Info[];
}

/** What one capability gives to an agent. */
export function CapabilityDetail({ id, capabilities }: CapabilityDetailProps) {
  const info = capabilities.find((one) => one.id === id);
  if (info === undefined) {
    return (
      <p role="alert">
        There is no capability <code>{id}</code>. Its package or server may have been removed.
      </p>
    );
  }
  const dependencies = info.dependencies ?? [];
  return (
    <article className={styles.article}>
      <header className={styles.heading}>
        <h2>{info.name}</h2>
        <code>{info.id}</code>
        <span className={styles.about}>
          {info.status === "available" ? info.category : info.status.replace("_", " ")}
        </span>
      </header>
      <p>{withVisibleControls(info.description)}</p>
      {dependencies.length > 0 && (
        <p>
          It includes:{" "}
          {dependencies.map((other, place) => (
            <span key={other}>
              {place > 0 && ", "}
              <Link to="/capabilities" search={{ capability: other }}>
                {other}
              </Link>
            </span>
          ))}
        </p>
      )}
      {info.system_prompt && (
        <section>
          <h3>Prompt</h3>
          <pre className={styles.text}>{info.system_prompt}</pre>
        </section>
      )}
      <section>
        <h3>Tools</h3>
        <Tools info={info} />
      </section>
      {info.config_schema && (
        <section>
          <h3>Settings</h3>
          <p className={styles.about}>What an agent can set, as a JSON Schema.</p>
          <Json value={info.config_schema} label={`Settings of ${info.name}`} openLevels={3} />
        </section>
      )}
      <AgentsWith capability={info.id} />
    </article>
  );
}

function Tools({ info }: { info: Info }) {
  const tools = info.tool_definitions ?? [];
  if (tools.length === 0) {
    return (
      <p className={styles.about}>
        {info.is_mcp ? "Those that its server lists when a turn begins." : "None."}
      </p>
    );
  }
  return tools.map((tool) => (
    <details key={tool.name} className={styles.tool}>
      <summary>
        <code>{tool.name}</code>
        {tool.policy === "requires_approval" && (
          <span className={styles.about}>requires approval</span>
        )}
      </summary>
      <p>{withVisibleControls(tool.description)}</p>
      <Json value={tool.parameters} label={`Parameters of ${tool.name}`} openLevels={4} />
    </details>
  ));
}

function AgentsWith({ capability }: { capability: string }) {
  const query = useAgentsWith(capability);
  return (
    <section>
      <h3>Agents with this capability</h3>
      <State query={query} rows={2}>
        {({ agents, searched, total }) => (
          <>
            {agents.length === 0 && <p className={styles.about}>None.</p>}
            <ul className={styles.agents}>
              {agents.map((agent) => (
                <li key={agent.id}>
                  <Link to="/agents/$agentId" params={{ agentId: agent.id }}>
                    {agentName(agent)}
                  </Link>
                </li>
              ))}
            </ul>
            {searched < total && (
              <p className={styles.about}>
                Only the newest {exact(searched)} of {exact(total)} agents were searched.
              </p>
            )}
          </>
        )}
      </State>
    </section>
  );
}
