import { gitPieces } from "./git-stream.ts";

const START = "\u0001";
const FORMAT = "--format=%x01%H%x00%P%x00%B%x00";
const CHANGE = /^:\d{6} (\d{6}) ([0-9a-f]+) ([0-9a-f]+) ([A-Z])\d*\t(.+)$/;

/** A file as a commit changed it. */
export interface CommittedChange {
  /** `A` added, `M` modified, `D` removed, `T` type changed. */
  readonly kind: string;
  /** `100644` for a plain file. */
  readonly mode: string;
  /** The content before; zeros if there was none. */
  readonly before: string;
  readonly object: string;
  readonly path: string;
}

export interface CommittedBatch {
  readonly commit: string;
  readonly parents: readonly string[];
  readonly message: string;
  readonly changes: readonly CommittedChange[];
}

/** Every commit that leads to `head`, oldest first, with what it changed. */
export async function* historyOf(folder: string, head: string): AsyncGenerator<CommittedBatch> {
  const args = ["-c", "core.quotePath=false", "log", "--reverse", "--topo-order", "--root", "-m"];
  const raw = ["--raw", "--no-renames", "--no-abbrev", FORMAT, head];
  for await (const piece of gitPieces(folder, [...args, ...raw], START)) {
    if (piece.trim() === "") continue;
    const [commit = "", parents = "", message = "", raws = ""] = piece.split("\0");
    const changes = raws.split("\n").flatMap((line): CommittedChange[] => {
      const match = CHANGE.exec(line);
      if (match === null) return [];
      const [, mode = "", before = "", object = "", kind = "", path = ""] = match;
      return [{ mode, before, object, kind, path }];
    });
    yield { commit, parents: parents.split(" ").filter(Boolean), message, changes };
  }
}
