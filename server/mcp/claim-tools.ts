import { z } from "zod";
import { HandReport } from "../../contract/run.ts";
import { given } from "./mail-tools.ts";
import { type McpCall, toolsFor } from "./tool.ts";

const tool = toolsFor<McpCall>();
const DEFAULT_TTL_SECONDS = 3_600;
const ttlSeconds = z.int().min(1).max(604_800).optional();

export const claimTools = [
  tool({
    name: "claim",
    description:
      "Take a queued run to measure it by hand, or renew a claim of yours (`session`). Answers the cell's command and what to report; null when nothing waits.",
    input: z.strictObject({
      sweep: z.string().optional(),
      run: z.uuid().optional(),
      session: z.uuid().optional(),
      ttlSeconds,
    }),
    run: ({ sweep, run, session, ttlSeconds: ttl = DEFAULT_TTL_SECONDS }, { client, project }) => {
      const ttlMs = ttl * 1_000;
      // Branded in the contract, and checked by its schema on the way.
      if (session !== undefined)
        return client.cells.renewClaim({
          params: { project, session: session as never },
          body: { ttlMs },
        });
      return client.cells.claimByHand({
        params: { project },
        body: { ttlMs, ...given({ sweep, run: run as never }) },
      });
    },
  }),
  tool({
    name: "complete",
    description:
      "Report how a run that you claimed ended: outcome (ok, failed, …), message, and for ok its samples {repeat, metric, value, unit}. Accepted once.",
    input: z.strictObject({ session: z.uuid(), ...HandReport.shape }),
    run: ({ session, ...report }, { client, project }) =>
      client.cells.completeClaim({
        params: { project, session: session as never },
        body: { report },
      }),
  }),
];
