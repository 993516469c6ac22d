import type { Handlers } from "../contract/handlers.ts";
import { toTime } from "../contract/ids.ts";
import type { reservations } from "../contract/reservations.ts";
import { callOf } from "../storage/idempotency.ts";
import { openRoom } from "../storage/room.ts";
import { acquire, conflictsOf, demandOf } from "./acquire.ts";
import {
  changeLease,
  endContext,
  existing,
  lockOf,
  notHeld,
  refuseOther,
  type ReservationsDeps,
} from "./call.ts";
import { renewLease, setMode, transferLease, widenSlot } from "./changes.ts";
import { endLease } from "./ending.ts";
import { listHeld, listHistory } from "./lists.ts";
import { isFree, obstaclesOf } from "./obstacles.ts";
import { awaitTicket, enqueue, leaveQueue } from "./queue-calls.ts";
import type { GrantDeps } from "./quota.ts";
import { inTheirCase } from "./repositories.ts";
import { isHeld } from "./rules.ts";
import { beat } from "./sessions.ts";
import { checkTtl, SESSION_ENDS_MS } from "./settings.ts";
import { leaseView } from "./view.ts";

export type { ReservationsDeps } from "./call.ts";

export function reservationsHandlers(given: ReservationsDeps): Handlers<typeof reservations> {
  const deps = { ...given, room: openRoom(given.settings.maxOpen) };
  return { ...asking(deps), ...changing(deps), ...defining(deps), ...queueing(deps) };
}

type All = Handlers<typeof reservations>;

const asking = (
  deps: GrantDeps,
): Pick<All, "acquire" | "check" | "leases" | "lease" | "history"> => ({
  acquire: (call) => acquire(deps, call),
  check: async ({ params: { project }, body, principal }) => {
    const { log } = deps;
    const demand = await inTheirCase(log.query, demandOf(principal, project, body));
    const reader = { query: log.query, dialect: log.db.dialect };
    const obstacles = await obstaclesOf(reader, demand, { now: log.now() });
    const conflicts = await conflictsOf(deps, log.query, { order: demand, obstacles });
    return { free: isFree(obstacles), conflicts };
  },
  leases: (call) => listHeld(deps, call),
  lease: async ({ params: { project, lease } }) =>
    leaseView(await existing(deps.log.query, project, lease)),
  history: (call) => listHistory(deps, call),
});

const changing = (
  deps: GrantDeps,
): Pick<All, "renew" | "release" | "setMode" | "transfer" | "forceRelease"> => ({
  renew: async ({ body, ...call }) => {
    if (body.ttlMs !== undefined) checkTtl(body.ttlMs, deps.settings);
    return changeLease(deps, call, async (tx, lease) => {
      refuseOther(lease, call.principal);
      const { actor } = call.principal;
      await renewLease(tx, { lease, actor }, body.ttlMs ?? lease.ttl_ms);
    });
  },
  release: (call) =>
    changeLease(deps, call, async (tx, lease) => {
      refuseOther(lease, call.principal);
      const { actor } = call.principal;
      if (isHeld(lease.state))
        await endLease(tx, endContext(deps), { lease, type: "lease.released", actor });
    }),
  setMode: ({ body: { mode }, ...call }) =>
    changeLease(deps, call, async (tx, lease) => {
      refuseOther(lease, call.principal);
      await setMode(tx, deps, { lease, actor: call.principal.actor, mode });
    }),
  transfer: ({ body: { to }, ...call }) =>
    changeLease(deps, call, async (tx, lease) => {
      refuseOther(lease, call.principal);
      await transferLease(tx, deps, { lease, actor: call.principal.actor, to });
    }),
  forceRelease: ({ body: { reason }, ...call }) =>
    changeLease(deps, call, async (tx, lease) => {
      if (!isHeld(lease.state)) throw notHeld(lease);
      const { actor } = call.principal;
      await endLease(tx, endContext(deps), { lease, type: "lease.force_released", actor, reason });
    }),
});

const defining = (deps: ReservationsDeps): Pick<All, "defineSlot" | "defineRepository"> => ({
  defineSlot: ({ params: { project, slot: name }, body: { capacity }, ...call }) =>
    deps.log.once(
      callOf({ principal: call.principal, idempotency: call.idempotency }, lockOf(project)),
      async (tx) => {
        const { actor } = call.principal;
        await tx.append({ type: "slot.defined", project, actor, body: { name, capacity } });
        await widenSlot(tx, deps, { project, name });
        return { name, capacity };
      },
      () => Promise.resolve({ name, capacity }),
    ),
  defineRepository: ({ params: { project, repo: name }, body: { ignoreCase }, ...call }) =>
    deps.log.once(
      callOf({ principal: call.principal, idempotency: call.idempotency }, lockOf(project)),
      async (tx) => {
        const { actor } = call.principal;
        const body = { name, ignoreCase };
        await tx.append({ type: "repository.defined", project, actor, body });
        return body;
      },
      () => Promise.resolve({ name, ignoreCase }),
    ),
});

const queueing = (
  deps: GrantDeps,
): Pick<All, "enqueue" | "awaitTicket" | "leaveQueue" | "beat"> => ({
  enqueue: (call) => enqueue(deps, call),
  awaitTicket: ({ body: { ms }, ...call }) => awaitTicket(deps, call, ms),
  leaveQueue: (call) => leaveQueue(deps, call),
  beat: ({ params: { project, session }, body: { leases }, principal }) =>
    deps.log.tx(lockOf(project), async (tx) => {
      const { id: holder, actor } = principal;
      const lost = await beat(tx, { session, project, holder, actor }, leases);
      return { lost, expiresAt: toTime(tx.now + SESSION_ENDS_MS) };
    }),
});
