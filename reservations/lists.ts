import type { z } from "zod";
import type { CallContext } from "../contract/handlers.ts";
import { toTime } from "../contract/ids.ts";
import { numberCursor } from "../contract/page.ts";
import { ProblemError } from "../contract/problem.ts";
import type { reservations } from "../contract/reservations.ts";
import { parseResource, Resource } from "../contract/resource.ts";
import type { LeaseView, ReservationsDeps } from "./call.ts";
import { commonOf, normaliseResources } from "./demand.ts";
import { pastBelow, sincePresentFence } from "./past.ts";
import { callBudget } from "./pattern/overlap.ts";
import { holderPrincipal } from "./rules.ts";
import { heldLeases, leasesBelow, type LeaseRow, resourcesOf } from "./store.ts";
import { leaseView } from "./view.ts";

type Query<E extends { readonly query: z.ZodType }> = z.output<E["query"]>;

/** How many leases of the past one page looks at: about 10 ms of work. */
const LOOKED_AT = 1_000;

export interface ListCall<Q> extends Pick<CallContext, "principal"> {
  readonly params: { readonly project: string };
  readonly query: Q;
}

export async function listHeld(
  { log }: ReservationsDeps,
  { params: { project }, query, principal }: ListCall<Query<typeof reservations.leases>>,
): Promise<{ leases: LeaseView[]; next: string | null }> {
  const named = query.holder === undefined ? "" : holderPrincipal(query.holder, project);
  const rows = await heldLeases(log.query, {
    project,
    afterFence: numberCursor(query.after, 0),
    holder: query.mine ? principal.id : named,
    kind: query.kind ?? "",
    limit: query.limit + 1,
  });
  const page = rows.slice(0, query.limit);
  const last = page.at(-1);
  const next = rows.length > page.length && last !== undefined ? String(last.fence) : null;
  return { leases: page.map(leaseView), next };
}

export async function listHistory(
  { log }: ReservationsDeps,
  { params: { project }, query }: ListCall<Query<typeof reservations.history>>,
): Promise<{ leases: (LeaseView & { endedAt: string | null })[]; next: string | null }> {
  const wanted = readResource(query.resource, query.repo);
  const fence = numberCursor(query.after, Number.MAX_SAFE_INTEGER);
  const rows = await heldBelow(log, { project, fence, limit: LOOKED_AT });
  const budget = callBudget();
  const found: LeaseRow[] = [];
  let seen: LeaseRow | undefined;
  for (const row of rows) {
    if (found.length === query.limit) break;
    seen = row;
    if (resourcesOf(row).some((one) => commonOf(wanted, one, budget) !== null)) found.push(row);
  }
  const atEnd = seen === rows.at(-1) && rows.length < LOOKED_AT;
  return {
    leases: found.map((row) => ({
      ...leaseView(row),
      endedAt: row.ended_at === null ? null : toTime(row.ended_at),
    })),
    next: atEnd || seen === undefined ? null : String(seen.fence),
  };
}

/** Every time that somebody held a lease under one fence, newest first. */
async function heldBelow(
  { query, db }: ReservationsDeps["log"],
  of: { readonly project: string; readonly fence: number; readonly limit: number },
): Promise<LeaseRow[]> {
  const present = await leasesBelow(query, of);
  const past = await pastBelow(query, of);
  if (past.length === 0) return present;
  const all = [...(await sincePresentFence(query, db.dialect, present)), ...past];
  return all.toSorted((a, b) => b.fence - a.fence).slice(0, of.limit);
}

function readResource(text: string, repo: string): Resource {
  const parsed = Resource.safeParse(parseResource(text, repo));
  const [first] = parsed.success ? normaliseResources([parsed.data]) : [];
  if (first !== undefined) return first;
  throw new ProblemError("BAD_REQUEST", `${JSON.stringify(text)} names no resource`, {
    next: "write a pattern, gpu:NODE/UUID, model:NAME@REVISION, cell:RUN or slot:NAME",
  });
}
