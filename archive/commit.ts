import { ProblemError } from "../contract/problem.ts";

/** What the trailers of an archive commit say. */
export interface Seal {
  /** `journal` or `project/<name>`. */
  readonly repository: string;
  /** The first and last event of the batch. */
  readonly from: number;
  readonly to: number;
  /** After the last entry. */
  readonly chain: string;
  readonly kid: string;
  /** base64url. */
  readonly signature: string;
}

/** What a signature covers: a commit cannot be moved to another repository, another place or another history. */
export interface Signed {
  /** `journal` or `project/<name>`. */
  readonly repository: string;
  readonly to: number;
  readonly chain: string;
  /** The commit before; null for the first. */
  readonly parent: string | null;
}

export const signedBytes = ({ repository, to, chain, parent }: Signed): Buffer =>
  Buffer.from(JSON.stringify(["gridpost.archive.v1", repository, to, chain, parent]));

export interface Message {
  readonly seal: Seal;
  /** Who acted in the batch, in order of appearance. */
  readonly actors: readonly string[];
}

const MAX_CO_AUTHORS = 20;

/** The commit message: a subject, then the trailers. */
export function commitMessage({ seal, actors }: Message): string {
  const { repository, from, to, chain, kid, signature } = seal;
  const coAuthors = actors
    .slice(1, 1 + MAX_CO_AUTHORS)
    .map((actor) => `Co-authored-by: ${ident(actor)}`);
  return [
    from === to ? `event ${from}` : `events ${from} to ${to}`,
    "",
    ...coAuthors,
    `Gridpost-Repository: ${repository}`,
    `Gridpost-Events: ${from}-${to}`,
    `Gridpost-Chain: ${chain}`,
    `Gridpost-Key: ${kid}`,
    `Gridpost-Signature: ${signature}`,
    "",
  ].join("\n");
}

const SEAL =
  /^Gridpost-Repository: ([\w./-]{1,80})\nGridpost-Events: (\d{1,15})-(\d{1,15})\nGridpost-Chain: ([0-9a-f]{64})\nGridpost-Key: ([\w-]{1,64})\nGridpost-Signature: ([\w-]{86})\s*$/m;

/** Reads the trailers back; undefined for a commit that the archive did not make. */
export function readSeal(message: string): Seal | undefined {
  const match = SEAL.exec(message);
  if (match === null) return undefined;
  const [, repository = "", from, to, chain = "", kid = "", signature = ""] = match;
  return { repository, from: Number(from), to: Number(to), chain, kid, signature };
}

/** An actor as Git's `Name <address>`; `>` and `<` are Git's own. */
export function ident(actor: string): string {
  const name = actor.replaceAll(">", " as ").replaceAll(/[<>\p{Cc}]/gu, "");
  const address = actor.replaceAll(/[^A-Za-z0-9._-]+/g, ".");
  return `${name} <${address}@gridpost.invalid>`;
}

export const foreignCommit = (repository: string, commit: string): ProblemError =>
  new ProblemError(
    "CONFLICT",
    `${repository} has a commit on its branch that this server did not make: ${commit}`,
    {
      next: "look at it with git show, keep a copy of the repository, and move refs/heads/main back to the last commit with a Gridpost-Signature",
    },
  );
