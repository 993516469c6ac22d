import { ProblemError } from "../contract/problem.ts";
import type { LeaseMode } from "../contract/resource.ts";
import type { LogTx } from "../storage/log.ts";
import { endContext, notHeld, type ReservationsDeps } from "./call.ts";
import { conflictsOf } from "./acquire.ts";
import type { Demand } from "./demand.ts";
import { conflictProblem } from "./describe.ts";
import { freeUp } from "./ending.ts";
import { upgrade } from "./grant.ts";
import { isFree, obstaclesOf } from "./obstacles.ts";
import { reconsider } from "./queue.ts";
import { type GrantDeps, takeRoom } from "./quota.ts";
import { refsOf } from "./rivals.ts";
import { holderPrincipal, isHeld } from "./rules.ts";
import { joinSession } from "./sessions.ts";
import { type LeaseRow, resourcesOf } from "./store.ts";

export interface Change {
  readonly lease: LeaseRow;
  readonly actor: string;
}

/** Extends a lease from now. One that has expired is held again, unless somebody else was granted what it covers. */
export async function renewLease(
  tx: LogTx,
  { lease, actor }: Change,
  ttlMs: number,
): Promise<void> {
  const { id, project, holder, session, state } = lease;
  // What was claimed goes back to its queue when the lease ends: to have it again is another claim.
  const back = state === "expired" && !resourcesOf(lease).some(({ kind }) => kind === "cell");
  if (!isHeld(state) && !back) throw notHeld(lease);
  if (state === "expired") await tx.clearDeadline("lease.unlock", id);
  if (state !== "held") await tx.append({ type: "lease.revived", project, actor, body: { id } });
  if (session === null) await tx.setDeadline("lease.expire", id, tx.now + ttlMs);
  else await joinSession(tx, { session, project, holder });
}

/** @throws ProblemError RESERVATION_CONFLICT for an upgrade that others are in the way of */
export async function setMode(
  tx: LogTx,
  deps: ReservationsDeps,
  { lease, actor, mode }: Change & { readonly mode: LeaseMode },
): Promise<void> {
  if (!isHeld(lease.state)) throw notHeld(lease);
  if (lease.mode === mode) return;
  const { id, project } = lease;
  const { dialect } = deps.log.db;
  if (mode === "shared") {
    await tx.append({ type: "lease.downgraded", project, actor, body: { id } });
    await reconsider(tx, dialect, id);
    return;
  }
  const demand = { ...demandOfLease(lease), mode };
  const obstacles = await obstaclesOf({ query: tx.query, dialect }, demand, {
    now: tx.now,
    place: 0,
  });
  if (!isFree(obstacles)) throw await conflictWith(tx, deps, { order: demand, obstacles });
  await upgrade(tx, lease, { ...obstacles, actor });
}

const demandOfLease = (lease: LeaseRow): Demand => ({
  project: lease.project,
  holder: lease.holder,
  mode: lease.mode,
  // The lease has the units of its semaphores already.
  resources: resourcesOf(lease).filter(({ kind }) => kind !== "slot"),
  refs: refsOf(lease),
});

const conflictWith = async (
  { query }: LogTx,
  deps: ReservationsDeps,
  found: Parameters<typeof conflictsOf>[2],
): Promise<ProblemError> => conflictProblem(await conflictsOf(deps, query, found));

/**
 * Hands a lease on. Another lease of the giver on the same resource would then be somebody else's.
 * @throws ProblemError AGENT_NOT_FOUND, RESERVATION_CONFLICT, RATE_LIMITED when the new holder may have no more
 */
export async function transferLease(
  tx: LogTx,
  deps: GrantDeps,
  { lease, actor, to }: Change & { readonly to: string },
): Promise<void> {
  if (!isHeld(lease.state)) throw notHeld(lease);
  const { id, project, holder: from } = lease;
  const known = await deps.agents.describe(tx.query, project, [to]);
  if (!known.has(to)) {
    throw new ProblemError("AGENT_NOT_FOUND", `there is no agent ${to} in the project ${project}`, {
      details: [{ agent: to }],
      next: "gridpost agent ls",
    });
  }
  const reader = { query: tx.query, dialect: deps.log.db.dialect };
  const demand = { ...demandOfLease(lease), holder: holderPrincipal(to, project) };
  const { rivals: all, ...rest } = await obstaclesOf(reader, demand, { now: tx.now, place: 0 });
  const rivals = all.filter((rival) => rival.lease.id !== id);
  if (rivals.length > 0)
    throw await conflictWith(tx, deps, { order: demand, obstacles: { ...rest, rivals } });
  await takeRoom(tx.query, deps.room, demand);
  const { fence, supersedes } = rest;
  const body = { id, fence: fence + 1, supersedes, from, to: demand.holder };
  await tx.append({ type: "lease.transferred", project, actor, body });
  await tx.setDeadline("lease.expire", id, tx.now + lease.ttl_ms);
  await reconsider(tx, deps.log.db.dialect, id);
}

/** A semaphore may have become wider: those who wait for it are asked again. */
export const widenSlot = (
  tx: LogTx,
  deps: ReservationsDeps,
  { project, name }: { readonly project: string; readonly name: string },
): Promise<void> => {
  const resources = JSON.stringify([{ kind: "slot", name }]);
  return freeUp(tx, endContext(deps), { id: "", project, resources });
};
