import fc from "fast-check";
import { z } from "zod";

type JsonSchema = z.core.JSONSchema._JSONSchema;
type Form = Exclude<JsonSchema, boolean>;
type Values = fc.Arbitrary<unknown>;

/** The names and ids that there are, by the key where they belong. */
export type Words = Readonly<Record<string, string>>;

/** Where in a value something stands: the key that it belongs to. */
interface Place {
  readonly key: string;
  readonly depth: number;
}

/** Values that no schema asks for, and that have broken programs. */
const ODD: readonly unknown[] = [
  "",
  " ",
  "\0",
  "\ud800",
  "../../etc",
  "%2e%2e%2f",
  "'; DROP TABLE p_messages; --",
  "<script>alert(1)</script>",
  "__proto__",
  "\u202e\u0301\ufeff",
  "x".repeat(70_000),
  -1,
  0,
  0.5,
  2 ** 53,
  1e308,
  null,
  true,
  [],
  {},
  [[null]],
];

/** Values that mostly fit a schema of the contract, made of `words` mostly, and are odd somewhere now and then. */
export function fromSchema(schema: z.ZodType, words: Words): Values {
  const root = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });

  const anyText = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...Object.values(words)) },
    { weight: 1, arbitrary: fc.string({ unit: "binary" }) },
  );
  const text = ({ key }: Place): fc.Arbitrary<string> => {
    const word = words[key];
    if (word === undefined) return anyText;
    return fc.oneof({ weight: 9, arbitrary: fc.constant(word) }, { weight: 1, arbitrary: anyText });
  };

  // Few of what may be left out: what is odd in one member must not hide the others.
  const record = ({ properties = {}, required = [] }: Form, { depth }: Place): Values => {
    const optional = Object.keys(properties).filter((key) => !required.includes(key));
    return fc.subarray(optional, { maxLength: Math.min(2, optional.length) }).chain((chosen) => {
      const keys = [...required, ...chosen];
      const members = keys.map((key) => [key, values(properties[key], { key, depth })] as const);
      return fc.record(Object.fromEntries(members));
    });
  };
  const object = (form: Form, place: Place): Values => {
    const { additionalProperties: others } = form;
    if (typeof others !== "object") return record(form, place);
    return fc.dictionary(anyText, values(others, place), { maxKeys: 3 });
  };

  const ofType: Record<string, (form: Form, place: Place) => Values> = {
    string: (_, place) => text(place),
    boolean: () => fc.boolean(),
    integer: ({ minimum = 0, maximum = 1e9 }) => fc.constantFrom(1, 2, 60_000, minimum, maximum),
    number: () => fc.double({ noNaN: true }),
    array: ({ items }, place) => fc.array(values(items as JsonSchema, place), { maxLength: 3 }),
    object,
  };

  const fitting = (form: Form, place: Place): Values => {
    if (form.$ref !== undefined)
      return values(root.$defs?.[form.$ref.slice("#/$defs/".length)], place);
    if (form.const !== undefined) return fc.constant(form.const);
    if (form.enum !== undefined) return fc.constantFrom(...form.enum);
    const forms = form.anyOf ?? form.oneOf;
    if (forms !== undefined) return fc.oneof(...forms.map((one) => values(one, place)));
    return ofType[String(form.type)]?.(form, place) ?? fc.constantFrom(...ODD);
  };

  const values = (form: JsonSchema | undefined, { key, depth }: Place): Values => {
    const odd = fc.constantFrom(...ODD);
    if (typeof form !== "object" || depth > 6) return odd;
    return fc.oneof(
      { weight: 40, arbitrary: fitting(form, { key, depth: depth + 1 }) },
      { weight: 1, arbitrary: odd },
    );
  };

  return values(root, { key: "", depth: 0 });
}
