import { realpath } from "node:fs/promises";
import { type Launch, LaunchError } from "./launcher.ts";

/**
 * The mounts of a cell with their sources as they really are: no link may lead out of the folders that the node's
 * policy names.
 * @throws LaunchError for a source that is missing or not allowed
 */
export async function allowedMounts(
  mounts: Launch["mounts"],
  roots: readonly string[],
): Promise<Launch["mounts"]> {
  const allowed = await Promise.all(roots.map((root) => realpath(root).catch(() => root)));
  return Promise.all(
    mounts.map(async ({ source, target }) => {
      const real = await realpath(source).catch(() => undefined);
      if (real === undefined) throw new LaunchError(`this node has no ${source}`);
      if (!allowed.some((root) => real === root || real.startsWith(`${root}/`)))
        throw new LaunchError(`this node's policy does not allow to mount ${source}`);
      return { source: real, target };
    }),
  );
}
