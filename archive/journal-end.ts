import type { LoggedEvent } from "../storage/log.ts";
import { openLine } from "./chain.ts";
import { BRANCH } from "./fast-import.ts";
import { gitPieces } from "./git-stream.ts";

const NEWEST = ["diff-tree", "--root", "--no-commit-id", "--no-ext-diff", "--text", "-p", BRANCH];

/** The id of the last event in a journal, by its newest segment; undefined for a commit that ends with none. */
export async function lastEventId(gitDir: string): Promise<string | undefined> {
  let last = "";
  for await (const line of gitPieces(gitDir, NEWEST, "\n")) if (line.startsWith("+")) last = line;
  const opened = openLine(last.slice(1));
  return opened === undefined ? undefined : (JSON.parse(opened.text) as LoggedEvent).id;
}
