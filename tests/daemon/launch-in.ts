import { newId } from "../../contract/ids.ts";
import { executionName, type Launch } from "../../daemon/launcher.ts";

/** The launch of a command with input and output in a folder, that asks for nothing else. */
export function launchIn(
  folder: string,
  command: readonly string[],
  more: Partial<Launch> = {},
): Launch {
  const attempt = newId();
  return {
    name: executionName(attempt, 1),
    attempt,
    repeat: 1,
    image: null,
    command: [...command],
    env: {},
    files: folder,
    out: folder,
    mounts: [],
    gpus: [],
    devices: [],
    cores: [],
    limits: { memory: null, cpus: null, shm: null, pids: null },
    ...more,
  };
}
