import { cleanup, fireEvent, screen } from "@testing-library/react";
import { useState } from "react";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Failure } from "../src/api/failures";
import { Form } from "../src/parts/form/Form";
import { HeadersField, headersOnWire, KEPT } from "../src/parts/form/HeadersField";
import { JsonField } from "../src/parts/form/JsonField";
import { ListField } from "../src/parts/form/ListField";
import { NumberField, numberProblem } from "../src/parts/form/NumberField";
import { namedProblems, problemAt } from "../src/parts/form/problems";
import { SecretField } from "../src/parts/form/SecretField";
import { SelectField } from "../src/parts/form/SelectField";
import { TextField } from "../src/parts/form/TextField";
import { renderRouted } from "./routed";

afterEach(cleanup);

function invalid(message: string) {
  return new Failure("INVALID_REQUEST", message, 400);
}

describe("a refused request", () => {
  it("names each field with what is wrong", () => {
    const problems = namedProblems(
      invalid("name: must not be empty; controls.temperature: must be at most 2"),
    );
    expect([...problems]).toEqual([
      ["name", "must not be empty"],
      ["controls.temperature", "must be at most 2"],
    ]);
  });

  it("keeps the words of a problem whole, with colons and semicolons", () => {
    const words = "unknown field. Did you mean 'agent_id'? Known fields: agent_id; agent_name";
    expect([...namedProblems(invalid(`agent: ${words}`))]).toEqual([["agent", words]]);
  });

  it("names no field in a sentence", () => {
    expect(namedProblems(invalid("Model work/gpt-5 takes no temperature.")).size).toBe(0);
  });

  it("names no field if it is no refusal of the request", () => {
    expect(namedProblems(new Failure("UNAVAILABLE", "store: is away", 503)).size).toBe(0);
    expect(namedProblems(null).size).toBe(0);
  });

  it("is shown by the field of a whole where the part has none", () => {
    const problems = namedProblems(invalid("tools.0.name: is required"));
    expect(problemAt(problems, "tools", true)).toBe("0.name: is required");
    expect(problemAt(problems, "tools", false)).toBeUndefined();
    expect(problemAt(problems, "tool", true)).toBeUndefined();
  });
});

function Example({ onSave, error = null }: { onSave: () => void; error?: Error | null }) {
  const [name, setName] = useState("clerk");
  const [schema, setSchema] = useState<unknown>({ type: "object" });
  return (
    <Form
      action="Save changes"
      isDirty={name !== "clerk"}
      isSaving={false}
      error={error}
      onSave={onSave}
    >
      <TextField label="Name" name="name" value={name} onChange={setName} />
      <JsonField label="Schema" kind="object" value={schema} onChange={setSchema} />
      <pre>{JSON.stringify(schema)}</pre>
    </Form>
  );
}

describe("a form", () => {
  it("saves with Ctrl+S and with its button", () => {
    const onSave = vi.fn();
    renderRouted(<Example onSave={onSave} />);
    fireEvent.keyDown(screen.getByLabelText("Name"), { key: "s", ctrlKey: true });
    fireEvent.click(screen.getByRole("button", { name: "Save changes" }));
    expect(onSave).toHaveBeenCalledTimes(2);
  });

  it("does not save while a field is wrong, and goes to it", () => {
    const onSave = vi.fn();
    renderRouted(<Example onSave={onSave} />);
    const schema = screen.getByLabelText("Schema");
    fireEvent.change(schema, { target: { value: '{"type": ' } });
    fireEvent.click(screen.getByRole("button", { name: "Save changes" }));
    expect(onSave).not.toHaveBeenCalled();
    expect(document.activeElement).toBe(schema);
    expect(screen.getByRole("status").textContent).toBe("One field is wrong");
  });

  it("shows what the server said beside the field, and goes there", () => {
    renderRouted(<Example onSave={() => {}} error={invalid("name: must not be empty")} />);
    const name = screen.getByLabelText("Name");
    expect(name.getAttribute("aria-invalid")).toBe("true");
    const described = name.getAttribute("aria-describedby") ?? "";
    expect(document.getElementById(described)?.textContent).toBe("must not be empty");
    expect(document.activeElement).toBe(name);
  });

  it("says that changes are not saved", () => {
    renderRouted(<Example onSave={() => {}} />);
    expect(screen.getByRole("status").textContent).toBe("");
    fireEvent.change(screen.getByLabelText("Name"), { target: { value: "talker" } });
    expect(screen.getByRole("status").textContent).toBe("Unsaved changes");
  });
});

describe("a field for JSON", () => {
  it("changes nothing until the text can be read", () => {
    renderRouted(<Example onSave={() => {}} />);
    const schema = screen.getByLabelText("Schema");
    fireEvent.change(schema, { target: { value: "[1]" } });
    expect(screen.getByText("must be an object, in { }")).toBeTruthy();
    expect(screen.getByText('{"type":"object"}')).toBeTruthy();
    fireEvent.change(schema, { target: { value: '{"a": 1}' } });
    expect(screen.getByText('{"a":1}')).toBeTruthy();
  });

  it("keeps the text as it is typed", () => {
    renderRouted(<Example onSave={() => {}} />);
    const schema = screen.getByLabelText<HTMLTextAreaElement>("Schema");
    fireEvent.change(schema, { target: { value: '{ "a":1 }' } });
    expect(schema.value).toBe('{ "a":1 }');
  });
});

function Temperature({ onChange }: { onChange: (value: number | undefined) => void }) {
  const [value, setValue] = useState<number | undefined>(1);
  return (
    <NumberField
      label="Temperature"
      value={value}
      onChange={(next) => {
        setValue(next);
        onChange(next);
      }}
    />
  );
}

describe("a field for a number", () => {
  it.each([
    ["", undefined],
    ["0.5", undefined],
    ["half", "must be a number"],
    ["-1", "must be at least 0"],
    ["2.1", "must be at most 2"],
  ])("finds in %j: %j", (text, problem) => {
    expect(numberProblem(text, { minimum: 0, maximum: 2 })).toBe(problem);
  });

  it("tells whole numbers from others, and limits that are not reached", () => {
    expect(numberProblem("1.5", { isWhole: true })).toBe("must be a whole number");
    expect(numberProblem("0", { above: 0 })).toBe("must be greater than 0");
  });

  it("gives no number for an empty field, and keeps what is on the way to one", () => {
    const onChange = vi.fn();
    renderRouted(<Temperature onChange={onChange} />);
    const field = screen.getByLabelText<HTMLInputElement>("Temperature");
    fireEvent.change(field, { target: { value: "0." } });
    expect(field.value).toBe("0.");
    expect(onChange).toHaveBeenLastCalledWith(0);
    fireEvent.change(field, { target: { value: "" } });
    expect(onChange).toHaveBeenLastCalledWith(undefined);
  });
});

function Tags({ onChange }: { onChange: (values: string[]) => void }) {
  return <ListField label="Tags" values={["demo"]} onChange={onChange} />;
}

describe("a field for a list of texts", () => {
  it("adds with Enter and when it is left, each once", () => {
    const onChange = vi.fn();
    renderRouted(<Tags onChange={onChange} />);
    const field = screen.getByLabelText("Tags");
    fireEvent.change(field, { target: { value: "new" } });
    fireEvent.keyDown(field, { key: "Enter" });
    expect(onChange).toHaveBeenLastCalledWith(["demo", "new"]);
    fireEvent.change(field, { target: { value: "demo" } });
    fireEvent.blur(field);
    expect(onChange).toHaveBeenCalledTimes(1);
  });

  it("removes with a button that says which", () => {
    const onChange = vi.fn();
    renderRouted(<Tags onChange={onChange} />);
    fireEvent.click(screen.getByRole("button", { name: "Remove demo" }));
    expect(onChange).toHaveBeenCalledWith([]);
  });
});

describe("a field for a secret", () => {
  it("has no input while the server's is kept, and asks before it is replaced", () => {
    const onChange = vi.fn();
    renderRouted(<SecretField label="API key" isSet value={undefined} onChange={onChange} />);
    expect(document.querySelector("input")).toBeNull();
    fireEvent.click(screen.getByRole("button", { name: "Replace" }));
    fireEvent.change(screen.getByLabelText("API key"), { target: { value: "sk-1" } });
    expect(onChange).toHaveBeenCalledWith("sk-1");
  });

  it("removes it with a button", () => {
    const onChange = vi.fn();
    renderRouted(<SecretField label="API key" isSet value={undefined} onChange={onChange} />);
    fireEvent.click(screen.getByRole("button", { name: "Remove" }));
    expect(onChange).toHaveBeenCalledWith(null);
  });
});

describe("a field for headers", () => {
  it("keeps values that the server has, and shows none", () => {
    const onChange = vi.fn();
    renderRouted(
      <HeadersField
        label="Headers"
        headers={[{ name: "authorization", value: KEPT }]}
        onChange={onChange}
      />,
    );
    expect(document.querySelector('input[type="password"]')).toBeNull();
    fireEvent.change(screen.getByLabelText("Name of header 1"), { target: { value: "x-key" } });
    expect(onChange).toHaveBeenCalledWith([{ name: "x-key", value: KEPT }]);
  });

  it("sends only headers that have a name", () => {
    expect(
      headersOnWire([
        { name: " a ", value: "1" },
        { name: "", value: "2" },
      ]),
    ).toEqual({ a: "1" });
  });
});

describe("a field for one of several values", () => {
  it("belongs to its label, and shows what is chosen", () => {
    renderRouted(
      <SelectField
        label="Effort"
        value="low"
        options={[
          { value: "low", label: "Low" },
          { value: "high", label: "High" },
        ]}
        onChange={() => {}}
      />,
    );
    expect(screen.getByLabelText("Effort").textContent).toBe("Low");
  });
});
