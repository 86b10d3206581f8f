import { NumberField } from "../parts/form/NumberField";
import { Section } from "../parts/form/Section";
import { SelectField } from "../parts/form/SelectField";
import { SchemaForm } from "../parts/form/schema/SchemaForm";
import type { WaitRule } from "./draft";
import type { SectionOf } from "./section";
import { WAIT } from "./shapes";

/** How far a turn may go, and how long it waits for the client. */
export function LimitsSection({ draft, change }: SectionOf) {
  const { max_iterations, parallel_tool_calls, client_tool_wait } = draft;
  const isSet =
    max_iterations !== undefined ||
    parallel_tool_calls !== undefined ||
    Object.keys(client_tool_wait).length > 0;
  return (
    <Section title="Limits and waits" summary={isSet ? "set" : "defaults"} startsOpen={isSet}>
      <NumberField
        label="Model calls per turn, at most"
        name="max_iterations"
        isWhole
        minimum={1}
        maximum={1000}
        value={max_iterations}
        onChange={(count) => change("max_iterations", count)}
      />
      <SelectField
        label="Tool calls of one answer"
        name="parallel_tool_calls"
        value={parallel_tool_calls === undefined ? "unset" : String(parallel_tool_calls)}
        options={[
          { value: "unset", label: "Not set" },
          { value: "true", label: "Run at the same time" },
          { value: "false", label: "Run one after another" },
        ]}
        onChange={(choice) =>
          change("parallel_tool_calls", choice === "unset" ? undefined : choice === "true")
        }
      />
      <h3>How long to wait for client-side tools</h3>
      <SchemaForm
        shape={WAIT}
        value={{ ...client_tool_wait }}
        path="client_tool_wait"
        onChange={(wait: WaitRule) => change("client_tool_wait", wait)}
      />
    </Section>
  );
}
