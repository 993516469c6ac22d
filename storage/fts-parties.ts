import { hash } from "node:crypto";
import type { Searcher } from "./search.ts";

/** Stands for everybody of a project; no agent is called so. */
const EVERYBODY = "@all";
/** FTS5 asks each of them about every row: with more, looking at the rows themselves costs no more. */
const MAX_AGENTS = 32;

/** What of a `message.sent` says who may see it. */
export interface SentTo {
  readonly thread: string;
  /** null: as the thread, which existed before. */
  readonly open: boolean | null;
  readonly from: string;
  readonly to: readonly string[];
  readonly cc: readonly string[];
  readonly bcc: readonly string[];
  readonly groups?: readonly { readonly members: readonly string[] }[];
}

/** A word for an agent, or everybody, of a project, which the tokenizer leaves in one piece. */
const party = (project: string, name: string): string =>
  `x${hash("sha256", JSON.stringify([project, name])).slice(0, 20)}`;

/**
 * The words for those who may see a message, and perhaps for some more.
 * @param isOpen whether its thread is open to every reader of the project
 */
export function partiesOf(project: string, sent: SentTo, isOpen: boolean): string[] {
  const { from, to, cc, bcc, groups = [] } = sent;
  const names = [from, ...to, ...cc, ...bcc, ...groups.flatMap(({ members }) => members)];
  return [...new Set(isOpen ? [...names, EVERYBODY] : names)].map((name) => party(project, name));
}

/** The words of which a message has at least one that the searcher may see; null when they are too many to ask for. */
export const partiesFor = ({ project, agents }: Searcher): string[] | null =>
  agents.length > MAX_AGENTS ? null : [...agents, EVERYBODY].map((name) => party(project, name));
