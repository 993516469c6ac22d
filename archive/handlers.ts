import type { archive } from "../contract/archive.ts";
import type { Handlers } from "../contract/handlers.ts";
import type { RunningArchive } from "./start.ts";

export function archiveHandlers({
  archive: running,
}: {
  readonly archive: RunningArchive;
}): Handlers<typeof archive> {
  return {
    status: async () => ({ ...(await running.progress()), remotes: [] }),
  };
}
