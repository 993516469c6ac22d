import type { FastifyRequest } from "fastify";
import type { Logger } from "pino";
import type { ProblemError } from "../contract/problem.ts";
import type { EventLog } from "../storage/event-log.ts";
import { startDenials } from "./denials.ts";
import { openDeniedLog } from "./denied-log.ts";
import type { Metrics } from "./metrics.ts";

export interface RefusalsDeps {
  readonly eventLog: EventLog;
  readonly data: string;
  readonly metrics: Metrics;
  readonly log: Logger;
}

export interface Refusals {
  record(this: void, request: FastifyRequest, problem: ProblemError): void;
  stop(): Promise<void>;
}

/** Where refusals go: those of known principals into the log as events, those of strangers into a file of their own. */
export async function openRefusals(deps: RefusalsDeps): Promise<Refusals> {
  const { eventLog, data, metrics, log } = deps;
  const onError = (err: unknown): void => log.error({ err }, "a refusal could not be recorded");
  const denials = startDenials(eventLog, onError);
  const strangers = await openDeniedLog(data, onError);
  return {
    record: ({ caller, ip, method, routeOptions }, { message, code }) => {
      const route = routeOptions.url ?? "unknown";
      metrics.refused(code);
      if (caller === null) strangers.write({ address: ip, method, route, message });
      else denials.record(caller.principal, { endpoint: `${method} ${route}`, message });
    },
    stop: async () => {
      await denials.stop();
      await strangers.close();
    },
  };
}
