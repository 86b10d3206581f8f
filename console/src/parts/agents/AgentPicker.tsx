import { Combobox } from "@base-ui/react/combobox";
import { useId, useState } from "react";
import { agentName } from "../../api/displayNames";
import { asFailure } from "../../api/failures";
import { useServerProblem } from "../form/context";
import field from "../form/field.module.css";
import { shortId } from "../formats";
import styles from "./AgentPicker.module.css";
import { useAgentNames, useAgentsNamed } from "./queries";

interface AgentPickerProps {
  label: string;
  /** Whether the label is shown, and not only said. */
  isLabelShown?: boolean;
  /** What it means to choose none. */
  placeholder: string;
  /** The field's path on the wire, by which the server says that it is wrong. */
  name?: string;
  /** The id of the chosen agent. */
  value: string | null;
  onChange: (agentId: string | null) => void;
}

/** A field to choose one of any number of agents; the server searches them. */
export function AgentPicker({
  label,
  isLabelShown = false,
  placeholder,
  name,
  value,
  onChange,
}: AgentPickerProps) {
  const id = useId();
  const problem = useServerProblem(name, false);
  const [text, setText] = useState("");
  const found = useAgentsNamed(text);
  const names = new Map(useAgentNames(value === null ? [] : [value]));
  for (const agent of found.data?.data ?? []) names.set(agent.id, agentName(agent));
  const ids = found.data?.data.map((agent) => agent.id) ?? [];

  return (
    <Combobox.Root
      items={value === null || ids.includes(value) ? ids : [...ids, value]}
      filter={null}
      value={value}
      onValueChange={(agentId) => onChange(agentId)}
      itemToStringLabel={(agentId: string) => names.get(agentId) ?? shortId(agentId)}
      onInputValueChange={(typed, { reason }) => {
        // Choosing an agent puts its name into the field; that must not start a search.
        setText(reason === "input-change" ? typed.trim().slice(0, 256) : "");
      }}
    >
      <div className={styles.picker}>
        <label htmlFor={id} className={isLabelShown ? undefined : "visually-hidden"}>
          {label}
        </label>
        <div className={styles.field}>
          <Combobox.Input
            id={id}
            placeholder={placeholder}
            className={styles.input}
            aria-invalid={problem !== undefined}
            aria-describedby={problem === undefined ? undefined : `${id}-problem`}
          />
          <Combobox.Clear className={styles.clear} aria-label={`${label}: choose none`}>
            ×
          </Combobox.Clear>
        </div>
        {problem !== undefined && (
          <p id={`${id}-problem`} className={field.problem}>
            {problem}
          </p>
        )}
      </div>
      <Combobox.Portal>
        <Combobox.Positioner className={styles.positioner} sideOffset={2}>
          <Combobox.Popup className={styles.popup}>
            <Combobox.Status className={styles.status}>
              {found.error !== null && asFailure(found.error).message}
            </Combobox.Status>
            <Combobox.Empty className={styles.status}>
              {found.isFetching ? "Searching…" : "No agent has this in its name."}
            </Combobox.Empty>
            <Combobox.List>
              {(agentId: string) => (
                <Combobox.Item key={agentId} value={agentId} className={styles.item}>
                  <span>{names.get(agentId) ?? shortId(agentId)}</span>
                  <code>{shortId(agentId)}</code>
                </Combobox.Item>
              )}
            </Combobox.List>
          </Combobox.Popup>
        </Combobox.Positioner>
      </Combobox.Portal>
    </Combobox.Root>
  );
}
