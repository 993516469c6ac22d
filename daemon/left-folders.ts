import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { AttemptId } from "../contract/ids.ts";
import type { WorkRoots } from "./attempt-folder.ts";
import type { Node } from "./node.ts";

/**
 * Removes the folders of attempts that the spool knows no more: an earlier life of the daemon ended between the
 * acknowledgement of a result and the removal of its folder. Call it before anything new begins.
 */
export async function removeLeftFolders(
  { spool, log }: Pick<Node, "spool" | "log">,
  roots: WorkRoots,
): Promise<void> {
  const known = new Set(
    spool.sessions().flatMap(({ id }) => spool.attempts(id).map((attempt) => attempt.id)),
  );
  for (const root of new Set(Object.values(roots))) {
    for (const name of await readdir(root)) {
      if (known.has(name) || !AttemptId.safeParse(name).success) continue;
      try {
        await rm(join(root, name), { recursive: true, force: true });
        log.info({ attempt: name }, "removed the folder of an attempt that is over");
      } catch (error) {
        log.warn({ attempt: name, error: String(error) }, "cannot remove a folder");
      }
    }
  }
}
