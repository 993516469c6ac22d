import { Name } from "../contract/ids.ts";
import { toSubject } from "../contract/mail/text.ts";
import { ProblemError } from "../contract/problem.ts";
import { EVERYBODY, meansEverybody, TO_EVERYBODY } from "./recipients.ts";

/** The author of what the server posts; no agent may have this name. */
export const SERVER_AGENT = "gridpost";

const RESERVED = new Set([SERVER_AGENT, "server", "admin", "system"]);
const ALL_NAMES = new Set(["anyone", "broadcast", "team"]);
const PROGRAM =
  /^(?:claude(?:[-_.]?code)?|codex(?:[-_.]?cli)?|gemini(?:[-_.]?cli)?|cursor|aider|opencode|copilot|cline|windsurf|chatgpt|goose|amp)$/i;
const MODEL =
  /^(?:gpt[-_.]?\d|o\d(?:[-_.]|$)|claude[-_.](?:\d|opus|sonnet|haiku)|(?:opus|sonnet|haiku)(?:[-_.]?\d|$)|gemini[-_.]?\d|(?:llama|qwen|deepseek|mistral|mixtral|grok|glm|kimi)(?:[-_.]?[vrk]?\d|$))/i;
const PLACEHOLDER =
  /^(?:<.*>|\[.*\]|\{.*\}|\$.*|(?:your|my)[-_. ]?.*name|agent[-_. ]?name|name|placeholder|change[-_]?me|example|todo|xxx+|unknown|undefined|null|none)$/i;

/** What a name that is no fit name for an agent looks like; undefined for a good one. */
export function nameMistake(name: string): string | undefined {
  if (PLACEHOLDER.test(name)) return "is a placeholder";
  if (/^[^@\s]+@[^@\s]+$/.test(name)) return "looks like an e-mail address";
  if (name.startsWith("@")) return "looks like a group";
  if (meansEverybody(name) || ALL_NAMES.has(name.toLowerCase()))
    return `means everybody; ${TO_EVERYBODY}`;
  if (RESERVED.has(name.toLowerCase())) return "is reserved for the server";
  if (PROGRAM.test(name)) return "is the name of a program; give it as program";
  if (MODEL.test(name)) return "is the name of a model; give it as model";
  const parsed = Name.safeParse(name);
  return parsed.success ? undefined : parsed.error.issues[0]?.message;
}

/** @throws ProblemError BAD_REQUEST that names the mistake */
export function refuseBadName(name: string): void {
  const mistake = nameMistake(name);
  if (mistake === undefined) return;
  throw new ProblemError("BAD_REQUEST", `the agent name ${JSON.stringify(name)} ${mistake}`, {
    details: [{ path: "name", message: mistake }],
    next: "choose a name of your own, such as blue or BraveOtter, or give none to get one",
  });
}

/** The subject of a reply: prefixed once, whatever the case of the prefix, and cut where it would be too long with it. */
export const replySubject = (subject: string): string =>
  /^re:/i.test(subject) ? subject : toSubject(`Re: ${subject}`);

export interface Addressed {
  readonly from: string;
  readonly to: readonly string[];
  readonly cc: readonly string[];
}

export interface Reply {
  readonly to: string[];
  readonly cc: string[];
}

/**
 * To whom a reply goes: to the sender, and with `all` to the other named recipients as well (never to a bcc, nor to everybody). A reply to
 * one's own message goes to its recipients.
 */
export function replyRecipients(original: Addressed, me: string, all: boolean): Reply {
  const own = original.from === me;
  const others = (names: readonly string[]): string[] =>
    names.filter((name) => name !== me && name !== original.from && name !== EVERYBODY);
  const to = own ? [...original.to] : [original.from].filter((name) => name !== SERVER_AGENT);
  if (!all) return { to, cc: [] };
  return { to: own ? to : [...to, ...others(original.to)], cc: others(original.cc) };
}
