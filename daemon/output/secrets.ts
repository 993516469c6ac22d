/** Shorter values are words, not secrets: masking them would blacken whole logs. */
const SHORTEST_SECRET = 6;
const SECRET_NAME =
  /(^|_)(TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?|APIKEY|KEY|PAT|AUTH)(_|$)/i;

/** Values of the variables whose names say that they are secret, and each of their lines. */
export function secretsOf(env: Readonly<Record<string, string>>): string[] {
  const secrets = Object.entries(env)
    .filter(([name]) => SECRET_NAME.test(name))
    .flatMap(([, value]) => partsOf(value));
  return [...new Set(secrets)].filter((secret) => secret.length >= SHORTEST_SECRET);
}

/** Who prints a secret leaves out the line end of its file, writes its line ends in the plain way, or prints one line. */
function partsOf(value: string): string[] {
  const plain = value.replaceAll("\r\n", "\n");
  return [value, plain, ...plain.split("\n")].map((part) => part.trim());
}

/** Every form in which a secret may show up in a log: raw, JSON, URI, shell-quoted, base64 at each of the three shifts. */
export function formsOf(secret: string): string[] {
  const forms = [
    secret,
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret),
    new URLSearchParams({ s: secret }).toString().slice(2),
    secret.replaceAll("'", String.raw`'\''`),
    ...[0, 1, 2].flatMap((shift) => base64At(secret, shift)),
  ];
  return [...new Set(forms)].filter((form) => form.length >= SHORTEST_SECRET);
}

/** The base64 digits that depend on nothing but the secret when `shift` bytes stand in front of it. */
function base64At(secret: string, shift: number): string[] {
  const bytes = Buffer.concat([Buffer.alloc(shift), Buffer.from(secret)]);
  const first = Math.ceil((shift * 8) / 6);
  const last = Math.floor((bytes.length * 8) / 6);
  const digits = bytes.toString("base64").slice(first, last);
  return [digits, digits.replaceAll("+", "-").replaceAll("/", "_")];
}

/** Characters that tokens are made of: a run of them is looked at as a whole. */
export const TOKEN_RUN = /[A-Za-z0-9_.~+/=-]+/g;

/** Tokens known by their look: Hugging Face, GitHub, GitLab, AWS, Slack, OpenAI-like, Google, Gridpost join tokens, JWTs. */
export const KNOWN_FORMATS =
  /(?<![A-Za-z0-9])(?:hf_[A-Za-z0-9]{20,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}|AKIA[A-Z0-9]{16}|xox[abprs]-[A-Za-z0-9-]{10,}|sk-[A-Za-z0-9_-]{20,}|AIza[A-Za-z0-9_-]{30,}|gpj_[A-Za-z0-9_.-]{16,}|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.?[A-Za-z0-9_-]*)/g;
