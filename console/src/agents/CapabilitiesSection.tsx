import { useCapabilities } from "../api/catalogue";
import type { Schemas } from "../api/client";
import { withVisibleControls } from "../parts/controls";
import { JsonField } from "../parts/form/JsonField";
import { Section } from "../parts/form/Section";
import { SchemaForm } from "../parts/form/schema/SchemaForm";
import { shapeOf } from "../parts/form/schema/shapes";
import { Toggle } from "../parts/form/Toggle";
import { isObject } from "../parts/json";
import { State } from "../parts/State";
import type { CapabilityChoice } from "./draft";
import styles from "./Editor.module.css";
import type { SectionOf } from "./section";

type Info = Schemas["CapabilityInfo"];

/** What the agent can do, with the settings of each capability. */
export function CapabilitiesSection({ draft, change }: SectionOf) {
  const capabilities = useCapabilities();
  const chosen = new Map(draft.capabilities.map((choice) => [choice.ref, choice]));

  function choose(ref: string, isChosen: boolean) {
    const others = draft.capabilities.filter((choice) => choice.ref !== ref);
    change("capabilities", isChosen ? [...others, { ref }] : others);
  }

  function configure(ref: string, config: Record<string, unknown> | undefined) {
    change(
      "capabilities",
      draft.capabilities.map((choice) =>
        choice.ref === ref ? withConfig(choice, config) : choice,
      ),
    );
  }

  return (
    <Section title="Capabilities">
      <State query={capabilities} rows={8}>
        {(all) => (
          <ul className={styles.capabilities}>
            {listed(all, draft.capabilities).map((info) => (
              <li key={info.id} className={styles.capability}>
                <Toggle
                  label={info.name}
                  name={`capabilities.${info.id}`}
                  hint={withVisibleControls(info.description)}
                  isOn={chosen.has(info.id)}
                  onChange={(isOn) => choose(info.id, isOn)}
                />
                {chosen.has(info.id) && (
                  <Config
                    info={info}
                    config={chosen.get(info.id)?.config ?? undefined}
                    onChange={(config) => configure(info.id, config)}
                  />
                )}
              </li>
            ))}
          </ul>
        )}
      </State>
    </Section>
  );
}

interface ConfigProps {
  info: Info;
  config: Record<string, unknown> | undefined;
  onChange: (config: Record<string, unknown> | undefined) => void;
}

function Config({ info, config, onChange }: ConfigProps) {
  if (!isObject(info.config_schema) && config === undefined) return null;
  const shape = shapeOf(info.config_schema);
  const path = `capabilities.${info.id}`;
  return (
    <div className={styles.config}>
      {shape.kind === "group" ? (
        <SchemaForm
          shape={shape}
          value={config ?? {}}
          onChange={(next) => onChange(Object.keys(next).length === 0 ? undefined : next)}
          path={path}
        />
      ) : (
        <JsonField
          label={`Settings of ${info.name}`}
          name={path}
          kind="object"
          value={config}
          onChange={(next) => onChange(isObject(next) ? next : undefined)}
        />
      )}
    </div>
  );
}

/** Return the available capabilities, and those that the agent has though they are not. */
function listed(all: readonly Info[], chosen: readonly CapabilityChoice[]): Info[] {
  const refs = new Set(chosen.map(({ ref }) => ref));
  const shown = all.filter(({ id, status }) => status === "available" || refs.has(id));
  const known = new Set(shown.map(({ id }) => id));
  const missing = chosen
    .filter(({ ref }) => !known.has(ref))
    .map(
      ({ ref }): Info => ({
        id: ref,
        name: ref,
        description: "This capability no longer exists. Turns run without it.",
        status: "deprecated",
        dependencies: [],
        is_mcp: false,
        is_skill: false,
        tool_definitions: [],
      }),
    );
  return [...shown, ...missing];
}

function withConfig(
  choice: CapabilityChoice,
  config: Record<string, unknown> | undefined,
): CapabilityChoice {
  const { config: _before, ...rest } = choice;
  return config === undefined ? rest : { ...rest, config };
}
