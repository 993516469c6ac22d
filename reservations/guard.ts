import type { z } from "zod";
import { toTime } from "../contract/ids.ts";
import type { guard, GuardLease, GuardSnapshot } from "../contract/guard.ts";
import type { Handlers } from "../contract/handlers.ts";
import { Holdings } from "../contract/pattern/holdings.ts";
import type { Resource } from "../contract/resource.ts";
import { fullRef } from "../contract/ref.ts";
import { askHolder } from "../contract/ask-holder.ts";
import { callOf } from "../storage/idempotency.ts";
import type { EventLog } from "../storage/event-log.ts";
import { ignoresCase } from "./repositories.ts";
import { refsOf } from "./rivals.ts";
import { holderName, holderPrincipal, refsMeet } from "./rules.ts";
import { exclusiveOf } from "./store.ts";

export interface GuardDeps {
  readonly log: EventLog;
  /** Signs a snapshot with the server's key: a compact JWS. */
  readonly sign: (snapshot: GuardSnapshot) => Promise<string>;
}

type Blocked = z.output<(typeof guard)["guardCheck"]["response"]>["blocked"];

/** The server's side of the Git guard. */
export const guardHandlers = ({ log, sign }: GuardDeps): Handlers<typeof guard> => ({
  guardCheck: async ({ params: { project }, body, principal }) => {
    const { repo, paths, ref, holder } = body;
    const own = holder === undefined ? principal.id : holderPrincipal(holder, project);
    const leases = await leasesAgainst(log, { project, repo, principal: own });
    const snapshot = { project, repo, principal: own, issuedAt: log.now(), leases };
    const blocked = blockedBy(leases, paths, ref);
    return {
      verdict: blocked.length === 0 ? "clear" : "blocked",
      blocked,
      snapshot: await sign(snapshot),
    };
  },
  reportBypass: ({ params: { project }, body, ...context }) =>
    log.once(
      callOf(context, []),
      async (tx) => {
        const { actor } = context.principal;
        await tx.append({ type: "guard.bypassed", project, actor, body });
        return { reported: true as const };
      },
      () => Promise.resolve({ reported: true as const }),
    ),
});

async function leasesAgainst(
  log: EventLog,
  of: { readonly project: string; readonly repo: string; readonly principal: string },
): Promise<GuardLease[]> {
  const rows = await exclusiveOf(log.query, of);
  // Also for leases from before: by this they conflict, too.
  const anyCase = await ignoresCase(log.query, of.project, of.repo);
  const patterns = new Map(rows.map((row) => [`${row.id} ${row.resource}`, row]));
  return [...patterns.values()].map((row) => ({
    lease: row.id as GuardLease["lease"],
    ...patternOf(row, anyCase),
    principal: row.holder,
    holder: holderName(row.holder, of.project),
    fence: row.fence,
    refs: refsOf(row)?.slice() ?? null,
    expiresAt: row.due === null ? null : toTime(row.due),
    reason: row.reason,
    thread: row.thread,
  }));
}

function patternOf(
  { resource }: { readonly resource: string },
  anyCase: boolean,
): Pick<GuardLease, "pattern" | "ignoreCase"> {
  const { pattern, ignoreCase = false } = JSON.parse(resource) as Resource & { kind: "file" };
  return { pattern, ignoreCase: ignoreCase || anyCase };
}

function blockedBy(
  leases: readonly GuardLease[],
  paths: readonly string[],
  ref: string | undefined,
): Blocked {
  const refs = ref === undefined ? null : [fullRef(ref)];
  const holdings = new Holdings(leases.filter((lease) => refsMeet(refs, lease.refs)));
  return paths.flatMap((path) =>
    holdings.of(path).map((lease) => ({
      ...lease,
      path,
      ask: askHolder(lease.holder, path),
    })),
  );
}
