import type { Query } from "../storage/db.ts";
import type { LogTx } from "../storage/log.ts";
import { endLease, type EndContext } from "./ending.ts";
import { SESSION_ENDS_MS, SESSION_GRACE_MS } from "./settings.ts";
import { leaseById, type LeaseRow, leasesOfSession } from "./store.ts";

const LAST_BEAT = "select beat_at from e_lease_sessions where id = $1";
const DELETE = "delete from e_lease_sessions where id = $1";

/** Called when a session may have fallen silent. Beats do not move this deadline: it looks for itself. */
export async function onSilence(tx: LogTx, context: EndContext, session: string): Promise<void> {
  const beatAt = await lastBeat(tx.query, session);
  if (beatAt === undefined) return;
  const held = await leasesOfSession(tx.query, session);
  if (held.length === 0) {
    await tx.query(DELETE, [session]);
  } else if (tx.now < beatAt + SESSION_GRACE_MS) {
    await tx.setDeadline("lease.silent", session, beatAt + SESSION_GRACE_MS);
  } else if (tx.now < beatAt + SESSION_ENDS_MS) {
    for (const lease of await full(tx.query, held)) await startGrace(tx, lease);
    await tx.setDeadline("lease.silent", session, beatAt + SESSION_ENDS_MS);
  } else {
    for (const lease of await full(tx.query, held))
      await endLease(tx, context, { lease, type: "lease.expired" });
    await tx.query(DELETE, [session]);
  }
}

async function startGrace(tx: LogTx, { id, project, state }: LeaseRow): Promise<void> {
  if (state === "held")
    await tx.append({ type: "lease.grace_started", project, actor: "server", body: { id } });
}

async function full(query: Query, leases: readonly { readonly id: string }[]): Promise<LeaseRow[]> {
  const rows: LeaseRow[] = [];
  for (const { id } of leases) {
    const row = await leaseById(query, id);
    if (row !== undefined) rows.push(row);
  }
  return rows;
}

async function lastBeat(query: Query, session: string): Promise<number | undefined> {
  const [row] = await query<{ beat_at: number }>(LAST_BEAT, [session]);
  return row?.beat_at;
}
