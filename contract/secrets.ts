/** Something in a text that looks like a secret. */
export interface FoundSecret {
  /** What it looks like. */
  readonly kind: string;
  /** Where it begins, in characters. */
  readonly at: number;
}

/** Shapes that their makers gave to tokens so that they can be found. */
const SHAPES: readonly (readonly [kind: string, shape: RegExp])[] = [
  ["private key", /-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----/],
  ["AWS access key", /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/],
  ["GitHub token", /\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{60,})/],
  ["GitLab token", /\bgl(?:pat|ptt|dt|rt|cbt|oas|soat)-[\w-]{20,}/],
  ["Hugging Face token", /\bhf_[A-Za-z0-9]{30,}\b/],
  ["OpenAI or Anthropic key", /\bsk-(?:[a-z]+[\w]*-)*[A-Za-z0-9_-]{32,}/],
  ["Google API key", /\bAIza[\w-]{35}\b/],
  ["Slack token", /\bxox[abeoprs]-[A-Za-z0-9-]{10,}/],
  ["Stripe key", /\b[sr]k_live_[A-Za-z0-9]{16,}/],
  ["npm token", /\bnpm_[A-Za-z0-9]{36}\b/],
  ["PyPI token", /\bpypi-[\w-]{50,}/],
  ["Gridpost join token", /\bgpj_[\w-]{22}\.[\w-]{43}/],
  ["JSON Web Token", /\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{20,}/],
  ["password in an address", /(?<![a-z0-9+.-])[a-z0-9+.-]+:\/\/[^\s/:@]+:[^\s/:@]{8,}@/i],
];

/** `API_KEY=…`, `"password": "…"`: a name that declares its value a secret. */
const DECLARED =
  /(?:secret|passw(?:or)?d|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?)["']?\s*[:=]\s*["']?([^\s"',;]{16,512})/gi;
const NAME =
  /(?:secret|passw(?:or)?d|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?)s?$/i;
const MIN_LENGTH = 16;
/** Random letters and digits have over 4 bits a character; words, paths and placeholders have less than 3.5. */
const MIN_ENTROPY = 3.5;

/**
 * The first thing in a text that must not become part of a record that cannot forget.
 * @returns undefined when nothing looks like a secret
 */
export function findSecret(text: string): FoundSecret | undefined {
  for (const [kind, shape] of SHAPES) {
    const at = text.search(shape);
    if (at >= 0) return { kind, at };
  }
  for (const match of text.matchAll(DECLARED))
    if (isRandom(match[1] ?? "")) return { kind: "value of a secret", at: match.index };
  return undefined;
}

/** Where a secret stands in a request. */
export interface SecretPath extends FoundSecret {
  /** `cell.env.HF_TOKEN`. */
  readonly path: string;
}

/** The first secret in any text of a value: by its shape, or by the name of its field. */
export function findSecretIn(value: unknown, path: readonly string[] = []): SecretPath | undefined {
  if (typeof value === "string") {
    const declared = NAME.test(path.at(-1) ?? "") && isRandom(value);
    const found = declared ? { kind: "value of a secret", at: 0 } : findSecret(value);
    return found === undefined ? undefined : { ...found, path: path.join(".") };
  }
  if (typeof value !== "object" || value === null) return undefined;
  for (const [key, part] of Object.entries(value)) {
    const found = findSecretIn(part, [...path, key]);
    if (found !== undefined) return found;
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
