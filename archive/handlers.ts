import type { archive } from "../contract/archive.ts";
import type { Handlers } from "../contract/handlers.ts";
import type { EventLog } from "../storage/event-log.ts";
import type { VerifyAnswer, VerifyRequest } from "./ports.ts";
import { redactHandler } from "./redact.ts";
import type { RunningArchive } from "./start.ts";

export interface ArchiveHandlersDeps {
  readonly log: EventLog;
  readonly archive: RunningArchive;
  /** Checks every repository of the archive. */
  readonly verify: (request: VerifyRequest, signal: AbortSignal) => Promise<VerifyAnswer>;
}

export function archiveHandlers(deps: ArchiveHandlersDeps): Handlers<typeof archive> {
  const { log, archive: running, verify } = deps;
  return {
    status: async () => ({ ...(await running.progress()), remotes: [...running.remotes()] }),
    verify: async (call) => {
      await running.flush();
      return verify(call.body, call.signal);
    },
    push: async () => {
      await running.flush();
      await running.push();
      return { remotes: [...running.remotes()] };
    },
    redact: redactHandler(log),
  };
}
