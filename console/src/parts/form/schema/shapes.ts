/** What a form for a JSON Schema has in it. What no form can show is shown as JSON. */

import { withVisibleControls } from "../../controls";
import { isObject, isSame, type Json, type JsonObject } from "../../json";
import type { NumberLimits } from "../NumberField";

/** What kind of control a value has. */
export type Shape =
  | { kind: "text" }
  | { kind: "number"; limits: NumberLimits }
  /** One of some values, each simple enough to be named in a list. */
  | { kind: "choice"; values: readonly Scalar[] }
  /** A list of different texts. */
  | { kind: "texts" }
  | { kind: "list"; item: Shape }
  | { kind: "group"; fields: readonly SchemaField[]; isOpen: boolean }
  /** A value of one of several shapes, none of which is an alternative itself. */
  | { kind: "either"; shapes: readonly Alternative[] }
  | { kind: "json"; is: "object" | "array" | undefined };

/** One of several shapes, with what the schema calls it. */
export type Alternative = Shape & { title?: string | undefined };

type Scalar = string | number | boolean | null;

/** A named value of an object. */
export interface SchemaField {
  name: string;
  label: string;
  hint: string | undefined;
  isRequired: boolean;
  /** What counts where no value is given. */
  fallback: Json | undefined;
  shape: Shape;
}

// Schemas can refer to themselves; from here on they are shown as JSON.
const DEEPEST = 6;

// A schema is often written by others: its texts must leave room for the form.
const LONGEST_TITLE = 80;
const LONGEST_HINT = 600;

/** Return the shape of the values that a JSON Schema describes. */
export function shapeOf(schema: unknown): Shape {
  return shape(schema, schema, 0);
}

/** Return what a value is called whose schema has no title. */
export function labelOf(name: string): string {
  const words = name.replaceAll(/[_-]+/g, " ").trim();
  const label = words === "" ? name : words.charAt(0).toUpperCase() + words.slice(1);
  return shortened(label, LONGEST_TITLE);
}

/** Tell whether a control of this shape can show a value, leaving aside what is inside of it. */
export function canShow(of: Shape, value: unknown): boolean {
  if (value === undefined) return true;
  switch (of.kind) {
    case "text":
      return typeof value === "string";
    case "number":
      return typeof value === "number";
    case "choice":
      return of.values.some((known) => isSame(known, value));
    case "texts":
      return isTexts(value) && new Set(value).size === value.length;
    case "list":
      return Array.isArray(value);
    case "group":
      return isObject(value);
    case "either":
      return of.shapes.some((one) => canShow(one, value));
    case "json":
      return true;
  }
}

/** Return a value to begin with, in a control of this shape. */
export function beginning(of: Shape): Json {
  switch (of.kind) {
    case "text":
      return "";
    case "number":
      return of.limits.minimum ?? 0;
    case "choice":
      return of.values[0] ?? null;
    case "texts":
    case "list":
      return [];
    case "group":
      return {};
    case "either":
      return of.shapes[0] === undefined ? null : beginning(of.shapes[0]);
    case "json":
      return of.is === "array" ? [] : {};
  }
}

function shape(schema: unknown, root: unknown, depth: number): Shape {
  const rules = resolved(schema, root);
  if (rules === undefined || depth > DEEPEST) return { kind: "json", is: undefined };
  const alternatives = rules.anyOf ?? rules.oneOf;
  if (Array.isArray(alternatives)) {
    return either(alternatives.map((one) => alternative(one, root, depth + 1)));
  }
  if ("const" in rules) return choice([rules.const]);
  if (Array.isArray(rules.enum)) return choice(rules.enum);
  if (Array.isArray(rules.type)) {
    return either(rules.type.map((type) => shape({ ...rules, type }, root, depth + 1)));
  }
  // Rules that combine others say more than a form would.
  if (["allOf", "not", "if", "$dynamicRef"].some((rule) => rule in rules)) return json(rules.type);
  switch (rules.type) {
    case "string":
      return { kind: "text" };
    case "integer":
    case "number":
      return { kind: "number", limits: limitsOf(rules) };
    case "boolean":
      return { kind: "choice", values: [true, false] };
    case "null":
      return { kind: "choice", values: [null] };
    case "array":
      return list(rules, root, depth);
    case "object":
      return group(rules, root, depth);
    default:
      return json(rules.type);
  }
}

function alternative(schema: unknown, root: unknown, depth: number): Alternative {
  const title = textOf(resolved(schema, root)?.title, LONGEST_TITLE);
  return { ...shape(schema, root, depth), title };
}

function list(rules: Record<string, unknown>, root: unknown, depth: number): Shape {
  if (!isObject(rules.items) || "prefixItems" in rules) return json("array");
  const item = shape(rules.items, root, depth + 1);
  return item.kind === "text" ? { kind: "texts" } : { kind: "list", item };
}

function group(rules: Record<string, unknown>, root: unknown, depth: number): Shape {
  if (!isObject(rules.properties) || "patternProperties" in rules) return json("object");
  const required: readonly unknown[] = Array.isArray(rules.required) ? rules.required : [];
  const fields = Object.entries(rules.properties).map(([name, of]): SchemaField => {
    const rulesOf = resolved(of, root) ?? {};
    return {
      name,
      label: textOf(rulesOf.title, LONGEST_TITLE) ?? labelOf(name),
      hint: textOf(rulesOf.description, LONGEST_HINT),
      isRequired: required.includes(name),
      fallback: isJson(rulesOf.default) ? rulesOf.default : undefined,
      shape: shape(of, root, depth + 1),
    };
  });
  return { kind: "group", fields, isOpen: rules.additionalProperties !== false };
}

/** Return a text of a schema as it is shown; undefined for a value that is not a text. */
function textOf(value: unknown, longest: number): string | undefined {
  return typeof value === "string" ? shortened(value, longest) : undefined;
}

function shortened(text: string, longest: number): string {
  return withVisibleControls(text.length > longest ? `${text.slice(0, longest).trimEnd()}…` : text);
}

function either(shapes: readonly Alternative[]): Shape {
  const flat = shapes.flatMap((one) => (one.kind === "either" ? one.shapes : [one]));
  const values = flat.flatMap((one) => (one.kind === "choice" ? one.values : []));
  const others = flat.filter((one) => one.kind !== "choice");
  const choices: Alternative[] = values.length > 0 ? [{ kind: "choice", values }] : [];
  const all = [...choices, ...others];
  const [only] = all;
  return only !== undefined && all.length === 1 ? only : { kind: "either", shapes: all };
}

function choice(values: readonly unknown[]): Shape {
  return values.every(isScalar) ? { kind: "choice", values } : { kind: "json", is: undefined };
}

function json(type: unknown): Shape {
  return { kind: "json", is: type === "object" || type === "array" ? type : undefined };
}

function limitsOf(rules: Record<string, unknown>): NumberLimits {
  return {
    isWhole: rules.type === "integer",
    minimum: numberIn(rules.minimum),
    maximum: numberIn(rules.maximum),
    above: numberIn(rules.exclusiveMinimum),
    below: numberIn(rules.exclusiveMaximum),
  };
}

/** Follow a reference within the schema; the keywords next to it count too. */
function resolved(schema: unknown, root: unknown): Record<string, unknown> | undefined {
  let rules = schema;
  for (let step = 0; step <= DEEPEST; step += 1) {
    if (!isObject(rules)) return undefined;
    if (typeof rules.$ref !== "string") return rules;
    const { $ref: place, ...others } = rules;
    const target = at(root, place);
    if (!isObject(target)) return undefined;
    rules = { ...target, ...others };
  }
  return undefined;
}

function at(root: unknown, pointer: string): unknown {
  if (pointer === "#") return root;
  if (!pointer.startsWith("#/")) return undefined;
  let found = root;
  for (const step of pointer.slice(2).split("/")) {
    if (!isObject(found)) return undefined;
    found = found[step.replaceAll("~1", "/").replaceAll("~0", "~")];
  }
  return found;
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function isScalar(value: unknown): value is Scalar {
  return value === null || ["string", "number", "boolean"].includes(typeof value);
}

function isJson(value: unknown): value is Json {
  if (isScalar(value)) return true;
  return Array.isArray(value) ? value.every(isJson) : isJsonObject(value);
}

function isJsonObject(value: unknown): value is JsonObject {
  return isObject(value) && Object.values(value).every(isJson);
}

function numberIn(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}
