import { z } from "zod";
import { didYouMean } from "../contract/suggest.ts";

type Path = readonly (string | number)[];
type Issue = z.core.$ZodIssue;

/** One mistake that a schema found in a value. */
export interface SchemaProblem {
  readonly path: Path;
  readonly message: string;
}

/** The mistakes of a failed parse of `value` in plain words: unknown keys one by one with a suggestion, missing members called missing. */
export function schemaProblems(
  schema: z.ZodType,
  value: unknown,
  error: z.ZodError,
): SchemaProblem[] {
  return error.issues.flatMap((issue) => {
    const path = issue.path as Path;
    if (issue.code === "unrecognized_keys") return unknownKeys(schema, path, issue.keys);
    return [{ path, message: inWords(issue, value) }];
  });
}

function unknownKeys(schema: z.ZodType, path: Path, keys: readonly string[]): SchemaProblem[] {
  const known = knownKeys(schema, path);
  return keys.map((key) => ({
    path: [...path, key],
    message: `unknown key "${key}"${didYouMean(key, known) || keysHere(known)}`,
  }));
}

/** What can stand in a place whose keys are few enough to be read at a glance. */
const keysHere = (known: readonly string[]): string =>
  known.length > 0 && known.length <= 6 ? `; the keys here are ${known.join(", ")}` : "";

function inWords(issue: Issue, value: unknown): string {
  if (issue.code === "invalid_type" && memberAt(value, issue.path as Path) === undefined)
    return `is missing; expected ${issue.expected}`;
  if (issue.code === "invalid_key" || issue.code === "invalid_element")
    return issue.issues.map(({ message }) => message).join("; ");
  if (issue.code === "invalid_value" && issue.message.startsWith("Invalid "))
    return expectedOf(issue.values);
  if (issue.code === "invalid_union") return unionInWords(issue);
  return plain(issue.message);
}

const expectedOf = (values: readonly unknown[]): string =>
  `expected ${values.map((value) => JSON.stringify(value)).join(" or ")}`;

/** What a schema says of its own accord stays as it is; zod's own words become the product's. */
const plain = (message: string): string =>
  message
    .replace(/^Invalid (input|option): /, "")
    .replace(/^Too small: expected \w+ to have >=1 \w+$/, "must not be empty")
    .replace(/^Too (?:small|big): expected \w+ to (be|have) ([<>]=?)/, (_, verb, sign) =>
      ["must", verb, BOUND[String(sign)], ""].join(" "),
    );

const BOUND: Readonly<Record<string, string>> = {
  ">=": "at least",
  "<=": "at most",
  ">": "more than",
  "<": "less than",
};

function unionInWords(issue: z.core.$ZodIssueInvalidUnion): string {
  if ("options" in issue && issue.options !== undefined) return expectedOf(issue.options);
  const expected = issue.errors.flatMap((branch) =>
    branch.flatMap((one) => (one.code === "invalid_type" ? [one.expected] : [])),
  );
  if (expected.length > 0) return `expected ${[...new Set(expected)].join(" or ")}`;
  return issue.message
    .replace(/^Invalid input: /, "")
    .replace("Invalid input", "fits none of its forms");
}

function memberAt(value: unknown, path: Path): unknown {
  let member = value;
  for (const part of path) {
    if (typeof member !== "object" || member === null) return undefined;
    member = (member as Record<string | number, unknown>)[part];
  }
  return member;
}

type JsonSchema = z.core.JSONSchema._JSONSchema;

const jsonSchemas = new WeakMap<z.ZodType, JsonSchema>();

/** Made once for each schema: it takes milliseconds, which a caller that repeats its mistake must not cost again. */
function jsonSchemaOf(schema: z.ZodType): JsonSchema {
  const made =
    jsonSchemas.get(schema) ?? z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  jsonSchemas.set(schema, made);
  return made;
}

/** The keys that a schema knows at a place, over all of its forms there. */
function knownKeys(schema: z.ZodType, path: Path): string[] {
  let forms = formsOf(jsonSchemaOf(schema));
  for (const part of path) forms = forms.flatMap((form) => formsOf(childOf(form, part)));
  return forms.flatMap((form) => Object.keys(form.properties ?? {}));
}

type ObjectSchema = Exclude<JsonSchema, boolean>;

function formsOf(schema: JsonSchema | undefined): ObjectSchema[] {
  if (schema === undefined || typeof schema === "boolean") return [];
  return [schema, ...[...(schema.anyOf ?? []), ...(schema.oneOf ?? [])].flatMap(formsOf)];
}

function childOf(schema: ObjectSchema, part: string | number): JsonSchema | undefined {
  if (typeof part === "number") return Array.isArray(schema.items) ? undefined : schema.items;
  return schema.properties?.[part] ?? schema.additionalProperties;
}
