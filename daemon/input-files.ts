import { chmod, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sha256 } from "../contract/cell/cell-id.ts";
import type { GrantedRun } from "../contract/cells.ts";
import type { Client } from "../contract/client.ts";
import { LaunchError } from "./launcher.ts";

/**
 * Fetches the input files of a run; may be repeated. Each is checked against the hash that the cell names, whatever the server says.
 * @throws LaunchError for a file with another content
 */
export async function fetchInputs(
  client: Client,
  { attempt, cell }: GrantedRun,
  folder: string,
): Promise<void> {
  for (const file of cell.files) {
    const { content } = await client.cells.cellFile({
      params: { attempt: attempt.id, sha256: file.sha256 },
    });
    const bytes = Buffer.from(content, "base64");
    if (sha256(bytes) !== file.sha256)
      throw new LaunchError(
        `the server's copy of ${file.path} is not the file that the cell names`,
      );
    const path = join(folder, file.path);
    for (const parent of parentsOf(file.path)) {
      await mkdir(join(folder, parent), { recursive: true });
      await chmod(join(folder, parent), 0o755);
    }
    // Nobody but root may write over the one that an earlier try or life has left.
    await rm(path, { force: true });
    await writeFile(path, bytes);
    // Read and run by the user of the execution, changed by nobody.
    await chmod(path, 0o555);
  }
}

/** `a/b/c` -> `a`, `a/b`. */
function parentsOf(path: string): string[] {
  const parts = path.split("/").slice(0, -1);
  return parts.map((_, i) => parts.slice(0, i + 1).join("/"));
}
