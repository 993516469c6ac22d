import { EPOCH_GAP } from "../contract/epoch.ts";
import type { EventBody } from "../contract/events/index.ts";
import { newId } from "../contract/ids.ts";
import type { Db, Query } from "../storage/db.ts";
import { applyAll, eventsAfter, insertLoggedEvent } from "../storage/events.ts";
import type { LoggedEvent } from "../storage/log.ts";
import { projections } from "./projections.ts";

/** What holders and nodes get to come back in. */
const RETURN_MS = 300_000;
/** From then on a node may register with another installation: the old one is not known any more. */
const NODE_SILENT_MS = 45_000;
const REMEMBER_MS = 24 * 3_600_000;
const PAGE = 500;
/** The day that ends with the last event: nobody knows how long after it the restore comes. */
const BEFORE_LAST_DAY =
  "select max(seq) as seq from events where at <= (select max(at) from events) - $1";
/** The readers between the domains; they meet the events of the log's last day again and know what they did by its keys. */
const FOLLOW_UPS = ["sweep-posts", "lease-posts", "mailbox.fan-out"];

const REMEMBER = `insert into e_idempotency (principal, key, endpoint, hash, ref, at) values ($1, $2, $3, $4, $5, $6)
  on conflict (key, principal) do update set endpoint = excluded.endpoint, hash = excluded.hash,
    ref = excluded.ref, at = excluded.at`;
const DEADLINE = "insert into e_deadlines (kind, subject, due)";
const ONCE_EACH = "on conflict (kind, subject) do nothing";

/** Time for everybody who held something when the journal ended. */
const REARM = [
  `${DEADLINE} select 'lease.expire', id, $1 from p_leases
     where state in ('held', 'grace') and session is null and id not in (
       select lease from p_attempts where state in ('claimed', 'running') and holder like 'node:%') ${ONCE_EACH}`,
  `insert into e_lease_sessions (id, project, holder, beat_at)
     select session, min(project), min(holder), $1 - ${RETURN_MS} from p_leases
     where state in ('held', 'grace') and session is not null group by session`,
  `${DEADLINE} select 'lease.silent', id, $1 from e_lease_sessions where true ${ONCE_EACH}`,
  `insert into e_nodes (node, install_id, boot_id, beat_at, ready, reason, images)
     select name, '', '', $1 - ${RETURN_MS} - ${NODE_SILENT_MS}, 0, 'not seen since the restore', '{}' from p_nodes`,
  `${DEADLINE} select 'node.silent', node, $1 from e_nodes where true ${ONCE_EACH}`,
  `${DEADLINE} select distinct 'claim.end', session, $1 from p_attempts
     where state in ('claimed', 'running') and holder not like 'node:%' ${ONCE_EACH}`,
  `${DEADLINE} select 'run.stranded', r.id, $1 + s.lost_after_ms from p_runs r join p_sweeps s on s.id = r.sweep
     where r.state = 'queued' and r.lane <> '' ${ONCE_EACH}`,
  `${DEADLINE} select 'sweep.idle', id, $1 from p_sweeps where state = 'active' ${ONCE_EACH}`,
  `${DEADLINE} select 'sweep.digest', id, $1 from p_sweeps where state = 'active' ${ONCE_EACH}`,
];
const UNACKED = `select m.id, max($1, m.at + m.ack_within) as due from p_messages m
  where m.ack_within is not null and exists (
    select 1 from p_deliveries d where d.message = m.id and d.ack_within is not null and d.acked_at is null)`;
const REMINDED = "select body from events where type = 'ack.overdue'";
const REMIND = `${DEADLINE} values ('mail.ack', $1, $2) ${ONCE_EACH}`;

/**
 * Begins a new epoch behind the last event: appends `server.restored` a million places later, which moves every
 * counter, and gives those who hold something five minutes to come back.
 */
export async function beginEpoch(db: Db, lastSeq: number): Promise<{ readonly epoch: number }> {
  const apply = applyAll(projections);
  return db.tx(["restore"], async (query) => {
    const [row] = await query<{ epoch: number | null }>("select max(epoch) as epoch from p_epochs");
    const epoch = (row?.epoch ?? 1) + 1;
    const event: LoggedEvent = {
      seq: lastSeq + EPOCH_GAP,
      id: newId(),
      v: 1,
      type: "server.restored",
      project: null,
      actor: "server",
      at: db.now(),
      key: null,
      body: { epoch, lastSeq },
    };
    await insertLoggedEvent(query, event);
    await apply(query, event);
    for (const statement of REARM) await query(statement, [event.at + RETURN_MS]);
    await remind(query, event.at);
    return { epoch };
  });
}

/** Whoever was reminded of a message before is not reminded of it again. */
async function remind(query: Query, now: number): Promise<void> {
  const reminders = await query<{ body: string }>(REMINDED);
  const done = new Set(
    reminders.map(({ body }) => (JSON.parse(body) as EventBody<"ack.overdue">).message as string),
  );
  const unacked = await query<{ id: string; due: number }>(UNACKED, [now]);
  for (const { id, due } of unacked) if (!done.has(id)) await query(REMIND, [id, due]);
}

/** Makes what no event tells of but every event implies: remembered idempotency keys, and the readers' places. */
export async function rebuildEphemeral(db: Db): Promise<void> {
  const [row] = await db.query<{ seq: number | null }>(BEFORE_LAST_DAY, [REMEMBER_MS]);
  const from = row?.seq ?? 0;
  let seq = from;
  for (;;) {
    const events = await eventsAfter(db.query, seq, PAGE);
    const last = events.at(-1);
    if (last === undefined) break;
    await db.tx(["restore"], (query) => rememberKeys(query, events));
    seq = last.seq;
  }
  await db.tx(["restore"], async (query) => {
    for (const name of FOLLOW_UPS)
      await query("insert into e_cursors (name, seq) values ($1, $2)", [name, from]);
  });
}

async function rememberKeys(query: Query, events: readonly LoggedEvent[]): Promise<void> {
  for (const { key, actor, at } of events) {
    if (key === null) continue;
    // The caller of a delegated call is the agent: `user:anna>agent:default/blue`.
    const principal = actor.slice(actor.indexOf(">") + 1);
    await query(REMEMBER, [principal, key.key, key.endpoint, key.hash, key.ref, at]);
  }
}
