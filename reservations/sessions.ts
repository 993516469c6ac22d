import { ProblemError } from "../contract/problem.ts";
import type { Query } from "../storage/db.ts";
import type { LogTx } from "../storage/log.ts";
import { SESSION_GRACE_MS } from "./settings.ts";
import { leasesOfSession } from "./store.ts";

const JOIN = `insert into e_lease_sessions (id, project, holder, beat_at) values ($1, $2, $3, $4)
  on conflict (id) do update set beat_at = excluded.beat_at`;
const OF_ANOTHER = `select 1 from e_lease_sessions where id = $1 and (project <> $2 or holder <> $3)`;
const BEAT = `update e_lease_sessions set beat_at = $1
  where id = $2 and project = $3 and holder = $4 returning id`;

export interface SessionOf {
  readonly session: string;
  readonly project: string;
  readonly holder: string;
}

/** @throws ProblemError FORBIDDEN if the session is somebody else's */
export async function refuseOthersSession(query: Query, one: SessionOf): Promise<void> {
  if ((await query(OF_ANOTHER, [one.session, one.project, one.holder])).length === 0) return;
  throw new ProblemError("FORBIDDEN", `the session ${one.session} belongs to somebody else`, {
    next: "make a session of your own: any new UUID",
  });
}

/**
 * Begins a session, or proves it alive.
 * @throws ProblemError FORBIDDEN if the session is somebody else's
 */
export async function joinSession(tx: LogTx, one: SessionOf): Promise<void> {
  await refuseOthersSession(tx.query, one);
  await tx.query(JOIN, [one.session, one.project, one.holder, tx.now]);
  await tx.setDeadline("lease.silent", one.session, tx.now + SESSION_GRACE_MS);
}

/** One statement, whatever the session holds. False if there is no such session of this holder. */
async function beatSession({ query, now }: LogTx, one: SessionOf): Promise<boolean> {
  return (await query(BEAT, [now, one.session, one.project, one.holder])).length > 0;
}

/** Keeps the leases of a session; returns those of `named` that it does not hold. */
export async function beat(
  tx: LogTx,
  one: SessionOf & { readonly actor: string },
  named: readonly string[],
): Promise<string[]> {
  if (!(await beatSession(tx, one))) return [...named];
  const held = await leasesOfSession(tx.query, one.session);
  for (const { id, state } of held) {
    if (state === "grace")
      await tx.append({
        type: "lease.revived",
        project: one.project,
        actor: one.actor,
        body: { id },
      });
  }
  if (held.some(({ state }) => state === "grace"))
    await tx.setDeadline("lease.silent", one.session, tx.now + SESSION_GRACE_MS);
  const ids = new Set(held.map(({ id }) => id));
  return named.filter((id) => !ids.has(id));
}
