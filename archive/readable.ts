import { hash } from "node:crypto";
import { nextChain } from "./chain.ts";
import type { Change } from "./fast-import.ts";

/** What a commit of a readable repository adds to its chain for one file. */
export const changeEntry = (path: string, contentSha256: string): string =>
  JSON.stringify([path, contentSha256]);

export const contentHash = (content: string | Buffer): string => hash("sha256", content);

/** The last text of each path, by path: what a commit really changes. */
export function settle(changes: readonly Change[]): Change[] {
  const last = new Map(changes.map((change) => [change.path, change]));
  return [...last.values()].sort((a, b) =>
    Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)),
  );
}

/** Continues the chain over the settled changes of a commit. */
export const chainChanges = (before: string, changes: readonly Change[]): string =>
  changes.reduce(
    (chain, { path, text }) => nextChain(chain, changeEntry(path, contentHash(text))),
    before,
  );
