import { constants } from "node:os";
import { join, resolve } from "node:path";
import { loadConfig } from "../runtime/config.ts";
import { createLog } from "../runtime/log.ts";
import { exitAfter, untilSignal } from "../runtime/shutdown.ts";
import { withoutCredentials } from "./remotes.ts";
import { type Restored, restoreServer } from "./restore.ts";
import { startServer } from "./start.ts";
import { Settings, SETTINGS_ENV } from "./settings.ts";

export { verifyClone } from "./verify-clone.ts";
export { startServer, type RunningServer, type ServerOptions } from "./start.ts";

const STOP_MS = 9_000;

/** The flags of `gridpost server`. */
export interface ServerFlags {
  readonly data: string;
  readonly listen?: string | undefined;
  /** `a.b=c`, repeated. */
  readonly set?: readonly string[] | undefined;
  readonly newAdminJoin?: boolean | undefined;
}

/** Reads the settings of a server from its flags, the environment and `<data>/config.yaml`. @throws ProblemError */
export const readSettings = (flags: ServerFlags): Settings =>
  loadConfig(Settings, {
    flags: { data: resolve(flags.data), listen: flags.listen },
    set: flags.set ?? [],
    env: SETTINGS_ENV,
    file: join(flags.data, "config.yaml"),
  });

/**
 * `gridpost server`: runs until SIGTERM or SIGINT, then stops within 10 s.
 * @throws ProblemError, before it listens, with one line on what is wrong
 */
export async function runServer(flags: ServerFlags): Promise<void> {
  // Mail, keys and the log are the server's alone, also in a data folder that others may enter.
  process.umask(0o077);
  const settings = readSettings(flags);
  const log = createLog(settings.log.level);
  const signal = untilSignal();
  const server = await startServer({ settings, newAdminJoin: flags.newAdminJoin ?? false, log });
  log.debug({ settings: withoutCredentials(settings) }, "settings");
  if (server.adminJoin !== null)
    process.stderr.write(`join token for the admin: ${server.adminJoin}\n`);
  process.stderr.write(`listening on ${server.url}\n`);
  log.info({ signal: await signal }, "stopping");
  exitAfter(STOP_MS, 0);
  await server.stop();
}

/**
 * `gridpost archive restore`: as `restoreServer`, in a process of its own. SIGTERM or SIGINT ends it with the folder empty.
 * @throws ProblemError
 */
export async function runRestore(source: string, data: string): Promise<Restored> {
  process.umask(0o077);
  const stop = new AbortController();
  let code = 0;
  void untilSignal().then((signal) => {
    code = 128 + constants.signals[signal];
    stop.abort();
  });
  try {
    return await restoreServer(source, data, stop.signal);
  } catch (error) {
    if (stop.signal.aborted) process.exit(code);
    throw error;
  }
}
