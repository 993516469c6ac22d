import { durationText } from "../contract/units.ts";
import type { Query } from "../storage/db.ts";
import type { LogTx } from "../storage/log.ts";
import { type LiveRow, liveAttempts } from "./attempt-store.ts";
import { loseAttempt } from "./end.ts";
import { fellSilentTogether, SESSION_TTL_MS } from "./node-state.ts";
import { nodeByName } from "./node-store.ts";
import type { CellsDeps } from "./ports.ts";

/** No run is given up before its node was silent for so long: the least `lostAfter` of a sweep. */
const SILENCE_MS = 300_000;

const BEATS = `select e.beat_at from e_nodes e join p_nodes n on n.name = e.node where n.revoked = 0`;

/**
 * What to do when a node may have been silent for as long as the leases of its sessions live: lets those end whose time
 * is over, later gives up the attempts whose time is over, and comes back for the others. A node that beats is looked at
 * too, for attempts that have outlived their own limits.
 */
export const onSilence =
  ({ leases, settings }: Pick<CellsDeps, "leases" | "settings">) =>
  async (tx: LogTx, name: string): Promise<void> => {
    const node = await nodeByName(tx.query, name);
    if (node === undefined || node.beatAt === null) return;
    const { beatAt } = node;
    const holder = `node:${name}`;
    const silent = tx.now - beatAt >= SILENCE_MS;
    const slack = silent && (await isCommon(tx, beatAt)) ? settings.freezeMs : 0;
    const live = await liveAttempts(tx.query, holder);
    const expiries = live.map(({ lease, claimed_at: claimed }) => ({
      lease,
      due: Math.max(beatAt, claimed) + SESSION_TTL_MS,
    }));
    for (const { lease, due } of expiries) if (due <= tx.now) await leases.expire(tx, lease);
    const dues = live.map((attempt) => ({ id: attempt.id, ...dueOf(attempt, beatAt + slack) }));
    for (const { id, message } of dues.filter(({ due }) => due <= tx.now))
      await loseAttempt(tx, leases, { attempt: id, holder, message });
    const looks = [beatAt + SESSION_TTL_MS, ...[...expiries, ...dues].map(({ due }) => due)];
    const next = Math.min(...looks.filter((due) => due > tx.now));
    if (Number.isFinite(next)) await tx.setDeadline("node.silent", name, next);
  };

/** When an attempt is given up, and what to say then. */
function dueOf(
  { claimed_at: claimedAt, lost_after_ms: lostAfter, budget_ms: budget }: LiveRow,
  lastSign: number,
): { readonly due: number; readonly message: string } {
  const lost = lastSign + lostAfter;
  const overdue = claimedAt + budget;
  return lost <= overdue
    ? { due: lost, message: `the node was silent for ${durationText(lostAfter)}` }
    : {
        due: overdue,
        message: `no report within ${durationText(budget)}, the most its limits allow`,
      };
}

async function isCommon(
  { query, now }: { query: Query; now: number },
  since: number,
): Promise<boolean> {
  const rows = await query<{ beat_at: number }>(BEATS);
  return fellSilentTogether(
    rows.map(({ beat_at: beat }) => beat),
    since,
    now,
  );
}
