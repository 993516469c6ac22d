/** Something in a text that looks like a secret. */
export interface FoundSecret {
  /** What it looks like. */
  readonly kind: string;
  /** Where it begins, in characters. */
  readonly at: number;
}

interface Shape {
  readonly kind: string;
  /** Stands in every match: to look for it costs a tenth of a look for the shape. */
  readonly anchor: string;
  readonly shape: RegExp;
}

/** Shapes that their makers gave to tokens so that they can be found. */
const SHAPES: readonly Shape[] = [
  {
    kind: "private key",
    anchor: "PRIVATE KEY-----",
    shape: /-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----/,
  },
  { kind: "AWS access key", anchor: "IA", shape: /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/ },
  {
    kind: "GitHub token",
    anchor: "gh",
    shape: /\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{60,})/,
  },
  {
    kind: "GitLab token",
    anchor: "gl",
    shape: /\bgl(?:pat|ptt|dt|rt|cbt|oas|soat)-[\w-]{20,}/,
  },
  { kind: "Hugging Face token", anchor: "hf_", shape: /\bhf_[A-Za-z0-9]{30,}\b/ },
  {
    kind: "OpenAI or Anthropic key",
    anchor: "sk-",
    shape: /\bsk-(?:[a-z]+[\w]*-)*[A-Za-z0-9_-]{32,}/,
  },
  { kind: "Google API key", anchor: "AIza", shape: /\bAIza[\w-]{35}\b/ },
  { kind: "Slack token", anchor: "xox", shape: /\bxox[abeoprs]-[A-Za-z0-9-]{10,}/ },
  { kind: "Stripe key", anchor: "k_live_", shape: /\b[sr]k_live_[A-Za-z0-9]{16,}/ },
  { kind: "npm token", anchor: "npm_", shape: /\bnpm_[A-Za-z0-9]{36}\b/ },
  { kind: "PyPI token", anchor: "pypi-", shape: /\bpypi-[\w-]{50,}/ },
  { kind: "Gridpost join token", anchor: "gpj_", shape: /\bgpj_[\w-]{22}\.[\w-]{43}/ },
  {
    kind: "JSON Web Token",
    anchor: "eyJ",
    shape: /\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{20,}/,
  },
  {
    kind: "password in an address",
    anchor: "://",
    shape: /(?<![a-z0-9+.-])[a-z0-9+.-]+:\/\/[^\s/:@]+:[^\s/:@]{8,}@/i,
  },
];

/** `API_KEY=…`, `"password": "…"`: a name that declares its value a secret. */
const DECLARED =
  /(?:secret|passw(?:or)?d|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?)["']?\s*[:=]\s*["']?([^\s"',;]{16,512})/gi;
const NAME =
  /(?:secret|passw(?:or)?d|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?)s?$/i;
const MIN_LENGTH = 16;
/** No shape is shorter: most strings of a request are names, and need no look. */
const SHORTEST = 15;
/** Random letters and digits have over 4 bits a character; words, paths and placeholders have less than 3.5. */
const MIN_ENTROPY = 3.5;

/**
 * The first thing in a text that must not become part of a record that cannot forget.
 * @returns undefined when nothing looks like a secret
 */
export function findSecret(text: string): FoundSecret | undefined {
  if (text.length < SHORTEST) return undefined;
  for (const { kind, anchor, shape } of SHAPES) {
    const at = text.includes(anchor) ? text.search(shape) : -1;
    if (at >= 0) return { kind, at };
  }
  // Not matchAll, which makes another expression for each text.
  DECLARED.lastIndex = 0;
  for (let match = DECLARED.exec(text); match !== null; match = DECLARED.exec(text))
    if (isRandom(match[1] ?? "")) return { kind: "value of a secret", at: match.index };
  return undefined;
}

/** Where a secret stands in a request. */
export interface SecretPath extends FoundSecret {
  /** `cell.env.HF_TOKEN`. */
  readonly path: string;
}

/** The first secret in any text of a value, the names of its fields included: by its shape, or by the name of its field. */
export function findSecretIn(value: unknown): SecretPath | undefined {
  const found = lookInto(value, "");
  return found && { ...found, path: found.path.slice(1) };
}

/** @returns the path with a `.` before each part, put together on the way back from what was found */
function lookInto(value: unknown, name: string): SecretPath | undefined {
  if (typeof value === "string") {
    const declared = value.length >= MIN_LENGTH && NAME.test(name) && isRandom(value);
    const found = declared ? { kind: "value of a secret", at: 0 } : findSecret(value);
    return found && { ...found, path: "" };
  }
  if (typeof value !== "object" || value === null) return undefined;
  for (const key of Object.keys(value)) {
    // The path is told: it names the object, and not the field.
    const named = findSecret(key);
    if (named !== undefined) return { ...named, path: ".(a name)" };
    const found = lookInto((value as Readonly<Record<string, unknown>>)[key], key);
    if (found !== undefined) return { ...found, path: `.${key}${found.path}` };
  }
  return undefined;
}

/** A reference such as `${TOKEN}` or `<token>` is no value. */
const isRandom = (value: string): boolean =>
  value.length >= MIN_LENGTH && !/[${}<>*]|\.\.\./.test(value) && entropy(value) >= MIN_ENTROPY;

/** Shannon's entropy of the characters, in bits per character. */
function entropy(text: string): number {
  const counts = new Map<string, number>();
  for (const one of text) counts.set(one, (counts.get(one) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values())
    bits -= (count / text.length) * Math.log2(count / text.length);
  return bits;
}
