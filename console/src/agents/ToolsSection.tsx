import { Button } from "../parts/Button";
import { Fold } from "../parts/form/Fold";
import { JsonField } from "../parts/form/JsonField";
import { Section } from "../parts/form/Section";
import { SelectField } from "../parts/form/SelectField";
import { SchemaForm } from "../parts/form/schema/SchemaForm";
import { TextAreaField, TextField } from "../parts/form/TextField";
import { isObject } from "../parts/json";
import type { ClientTool, WaitRule } from "./draft";
import type { SectionOf } from "./section";
import { WAIT } from "./shapes";

const NEW: ClientTool = {
  name: "",
  description: "",
  parameters: { type: "object", properties: {} },
};

/** Tools that the client of the agent runs. */
export function ToolsSection({ draft, change }: SectionOf) {
  const { tools } = draft;

  function replace(place: number, tool: ClientTool) {
    change(
      "tools",
      tools.map((other, index) => (index === place ? tool : other)),
    );
  }

  return (
    <Section
      title="Client-side tools"
      summary={tools.length === 0 ? "none" : String(tools.length)}
      startsOpen={tools.length > 0}
      about="The model calls them like any other; your program runs them and sends the results."
    >
      {tools.map((tool, place) => (
        <Fold
          // biome-ignore lint/suspicious/noArrayIndexKey: a name changes while it is typed.
          key={place}
          title={tool.name || "New tool"}
          startsOpen={tool.name === ""}
        >
          <ToolFields
            tool={tool}
            path={`tools.${place}`}
            onChange={(next) => replace(place, next)}
          />
          <Button
            onClick={() =>
              change(
                "tools",
                tools.filter((_, index) => index !== place),
              )
            }
          >
            Remove {tool.name || "this tool"}
          </Button>
        </Fold>
      ))}
      <div>
        <Button onClick={() => change("tools", [...tools, NEW])}>Add a tool</Button>
      </div>
    </Section>
  );
}

interface ToolFieldsProps {
  tool: ClientTool;
  path: string;
  onChange: (tool: ClientTool) => void;
}

function ToolFields({ tool, path, onChange }: ToolFieldsProps) {
  return (
    <>
      <TextField
        label="Name"
        name={`${path}.name`}
        isRequired
        isMono
        value={tool.name}
        placeholder="show_map"
        onChange={(name) => onChange({ ...tool, name })}
      />
      <TextAreaField
        label="Description"
        name={`${path}.description`}
        isRequired
        hint="The model reads it to decide when to call the tool."
        value={tool.description}
        lines={2}
        onChange={(description) => onChange({ ...tool, description })}
      />
      <JsonField
        label="Parameters"
        name={`${path}.parameters`}
        hint="A JSON Schema of type object."
        kind="object"
        value={tool.parameters}
        onChange={(next) => onChange({ ...tool, parameters: isObject(next) ? next : {} })}
      />
      <SelectField
        label="Approval"
        name={`${path}.policy`}
        value={tool.policy ?? "auto"}
        options={[
          { value: "auto", label: "Calls run at once" },
          { value: "requires_approval", label: "Each call is held until somebody allows it" },
        ]}
        onChange={(policy) => onChange({ ...tool, policy })}
      />
      <SelectField
        label="Who allows calls"
        name={`${path}.decided_by`}
        value={tool.decided_by ?? "unset"}
        options={[
          { value: "unset", label: "As the capability tool_approval says" },
          { value: "end_user", label: "The end user" },
          { value: "operator", label: "An operator" },
        ]}
        onChange={(by) => onChange({ ...tool, decided_by: by === "unset" ? null : by })}
      />
      <SchemaForm
        shape={WAIT}
        value={{ ...tool.wait }}
        path={`${path}.wait`}
        onChange={(wait: WaitRule) =>
          onChange({ ...tool, wait: Object.keys(wait).length === 0 ? null : wait })
        }
      />
      <TextField
        label="Display name"
        name={`${path}.display_name`}
        value={tool.display_name ?? ""}
        onChange={(name) => onChange({ ...tool, display_name: name === "" ? null : name })}
      />
    </>
  );
}
