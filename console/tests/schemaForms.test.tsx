import { cleanup, fireEvent, screen } from "@testing-library/react";
import { afterEach, describe, expect, it, vi } from "vitest";
import capabilities from "../../tests/api/capabilities.json";
import { SchemaForm } from "../src/parts/form/schema/SchemaForm";
import { beginning, canShow, labelOf, type Shape, shapeOf } from "../src/parts/form/schema/shapes";
import { renderRouted } from "./routed";

afterEach(cleanup);

const NAMES = { type: "array", items: { type: "string" } };
const WAIT = {
  anyOf: [
    { type: "number", minimum: 1 },
    { type: "string", enum: ["never"] },
  ],
};

/** Schemas of objects, each with values that match it. */
const TABLE: [name: string, schema: unknown, values: Record<string, unknown>[]][] = [
  [
    "simple values",
    {
      type: "object",
      properties: {
        text: { type: "string" },
        count: { type: "integer", minimum: 0 },
        share: { type: "number", exclusiveMinimum: 0, maximum: 1 },
        loud: { type: "boolean" },
        level: { enum: ["low", 2, null] },
      },
    },
    [{}, { text: "a", count: 0, share: 0.5, loud: false, level: null }, { level: 2 }],
  ],
  [
    "alternatives",
    { type: "object", properties: { wait: WAIT } },
    [{ wait: 5 }, { wait: "never" }],
  ],
  [
    "constants or a list, as of MCP servers",
    {
      type: "object",
      properties: { require_approval: { anyOf: [{ enum: ["always", "never"] }, NAMES] } },
      additionalProperties: false,
    },
    [{ require_approval: "always" }, { require_approval: ["a", "b"] }, { require_approval: [] }],
  ],
  [
    "nested objects and lists of them",
    {
      type: "object",
      properties: {
        who: { type: "object", properties: { name: { type: "string" } }, required: ["name"] },
        sites: {
          type: "array",
          items: { type: "object", properties: { url: { type: "string" }, tags: NAMES } },
        },
      },
    },
    [{ who: { name: "Ada" }, sites: [{ url: "x", tags: ["a"] }, {}] }],
  ],
  [
    "references within the schema, to themselves too",
    {
      type: "object",
      properties: { tree: { $ref: "#/$defs/node" } },
      $defs: {
        node: {
          type: "object",
          properties: { name: { type: "string" }, child: { $ref: "#/$defs/node" } },
        },
      },
    },
    [{ tree: { name: "a", child: { name: "b", child: { child: {} } } } }],
  ],
  [
    "what no form can show",
    {
      type: "object",
      properties: {
        free: {},
        map: { type: "object", additionalProperties: { type: "number" } },
        pair: { type: "array", prefixItems: [{ type: "string" }, { type: "number" }] },
        both: { allOf: [{ type: "string" }, { minLength: 2 }] },
        foreign: { $ref: "https://elsewhere.example.com/schema" },
      },
    },
    [{ free: [1, { a: null }], map: { a: 1 }, pair: ["a", 1], both: "ab", foreign: 1 }],
  ],
  [
    "values of another kind than the schema says",
    { type: "object", properties: { count: { type: "integer" }, names: NAMES } },
    [
      { count: "many", names: "a" },
      { count: { a: 1 }, names: ["a", "a"] },
    ],
  ],
  [
    "names that the schema does not know",
    { type: "object", properties: { a: { type: "string" } } },
    [{ a: "b", other: { deep: [1] } }],
  ],
];

for (const { id, config_schema } of capabilities.filter((one) => "config_schema" in one)) {
  TABLE.push([`settings of ${id}`, config_schema, [{}, ...samplesOf(config_schema)]]);
}

/** Return values of a schema's form: the beginning of each field, one by one and all together. */
function samplesOf(schema: unknown): Record<string, unknown>[] {
  const each = groupOf(schema).fields.flatMap(({ name, shape }) =>
    alternativesOf(shape).map((one) => ({ [name]: beginning(one) })),
  );
  return [...each, Object.assign({}, ...each)];
}

function alternativesOf(shape: Shape): readonly Shape[] {
  return shape.kind === "either" ? shape.shapes : [shape];
}

function groupOf(schema: unknown): Shape & { kind: "group" } {
  const shape = shapeOf(schema);
  if (shape.kind !== "group") throw new Error(`not an object with properties: ${shape.kind}`);
  return shape;
}

function show(schema: unknown, value: Record<string, unknown>) {
  const onChange = vi.fn<(value: Record<string, unknown>) => void>();
  renderRouted(
    <SchemaForm shape={groupOf(schema)} value={value} onChange={onChange} path="config" />,
  );
  return onChange;
}

describe.each(TABLE)("a form for %s", (_name, schema, values) => {
  it("changes nothing by being shown", () => {
    for (const value of values) {
      const onChange = show(schema, value);
      expect(onChange).not.toHaveBeenCalled();
      cleanup();
    }
  });

  it("keeps everything else when one value changes", () => {
    for (const value of values) {
      const onChange = show(schema, value);
      const field = [...document.querySelectorAll("input, textarea")].find(
        (one) => one.id !== "" && one.getAttribute("aria-hidden") === null,
      );
      if (field instanceof HTMLTextAreaElement) {
        fireEvent.change(field, { target: { value: '{"changed": 1}' } });
      } else if (field instanceof HTMLInputElement) {
        fireEvent.change(field, { target: { value: "7" } });
        fireEvent.keyDown(field, { key: "Enter" });
      }
      for (const [changed] of onChange.mock.calls) {
        const different = new Set(
          [...Object.keys(value), ...Object.keys(changed)].filter(
            (name) => JSON.stringify(value[name]) !== JSON.stringify(changed[name]),
          ),
        );
        // Values that the schema does not know are one field together.
        if ("other" in value) different.delete("other");
        expect(different.size).toBeLessThanOrEqual(1);
      }
      cleanup();
    }
  });

  it("begins each of its values so that its control can show it", () => {
    for (const { shape } of groupOf(schema).fields) {
      for (const one of alternativesOf(shape)) expect(canShow(one, beginning(one))).toBe(true);
    }
  });
});

describe("the settings of every built-in capability", () => {
  it("have fields, none of which is JSON", () => {
    const schemas = capabilities.flatMap((one) =>
      "config_schema" in one ? [one.config_schema] : [],
    );
    expect(schemas.length).toBeGreaterThan(0);
    for (const schema of schemas) {
      const kinds = groupOf(schema).fields.flatMap(({ shape }) =>
        alternativesOf(shape).map(({ kind }) => kind),
      );
      expect(kinds).not.toContain("json");
    }
  });
});

describe("a form of a schema", () => {
  it("writes back what is typed, as the type that the schema names", () => {
    const onChange = show({ type: "object", properties: { count: { type: "integer" } } }, {});
    fireEvent.change(screen.getByLabelText("Count"), { target: { value: "12" } });
    expect(onChange).toHaveBeenCalledWith({ count: 12 });
  });

  it("leaves out what is cleared", () => {
    const schema = {
      type: "object",
      properties: { count: { type: "integer" }, name: { type: "string" } },
    };
    const onChange = show(schema, { count: 3, name: "a" });
    fireEvent.change(screen.getByLabelText("Count"), { target: { value: "" } });
    expect(onChange).toHaveBeenLastCalledWith({ name: "a" });
    fireEvent.change(screen.getByLabelText("Name"), { target: { value: "" } });
    expect(onChange).toHaveBeenLastCalledWith({ count: 3 });
  });

  it("shows a value of another kind as JSON, beside its label", () => {
    show({ type: "object", properties: { count: { type: "integer" } } }, { count: "many" });
    expect(screen.getByLabelText<HTMLTextAreaElement>("Count").value).toBe('"many"');
  });

  it("names its fields by title or name, with what the schema says of them", () => {
    show(
      {
        type: "object",
        properties: {
          on_timeout: { type: "string", description: "What happens then." },
          x: { type: "string", title: "Width" },
        },
      },
      {},
    );
    expect(screen.getByLabelText("On timeout")).toBeTruthy();
    expect(screen.getByText("What happens then.")).toBeTruthy();
    expect(screen.getByLabelText("Width")).toBeTruthy();
  });

  it("shows the default where nothing is set", () => {
    const level = { type: "string", enum: ["low", "high"], default: "low" };
    show({ type: "object", properties: { level } }, {});
    expect(screen.getByLabelText("Level").textContent).toBe("Default: low");
  });
});

describe("the shape of a schema", () => {
  it("joins constants of alternatives, and has one shape where there is one", () => {
    expect(shapeOf({ anyOf: [{ const: "a" }, { enum: ["b", 1] }] })).toEqual({
      kind: "choice",
      values: ["a", "b", 1],
    });
    expect(shapeOf({ type: ["string", "null"] })).toEqual({
      kind: "either",
      shapes: [{ kind: "choice", values: [null] }, { kind: "text" }],
    });
  });

  it("calls alternatives as the schema does", () => {
    const wait = {
      anyOf: [
        { title: "Seconds", type: "number" },
        { title: "Never", const: "never" },
      ],
    };
    show({ type: "object", properties: { wait } }, { wait: 5 });
    expect(screen.getByLabelText("Wait").textContent).toBe("Seconds");
    expect(screen.getByLabelText<HTMLInputElement>("Seconds").value).toBe("5");
  });

  it("ends where a schema refers to itself", () => {
    const shape = shapeOf({ type: "object", properties: { again: { $ref: "#" } } });
    expect(JSON.stringify(shape)).toContain('"kind":"json"');
  });

  it.each([
    ["max_listed_tools", "Max listed tools"],
    ["a-b", "A b"],
    ["_", "_"],
  ])("calls %s %s", (name, label) => {
    expect(labelOf(name)).toBe(label);
  });
});
