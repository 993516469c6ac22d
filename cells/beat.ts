import type { EndpointReply } from "../contract/endpoint.ts";
import { toTime } from "../contract/ids.ts";
import type { nodes } from "../contract/nodes.ts";
import { ProblemError } from "../contract/problem.ts";
import type { LogTx } from "../storage/log.ts";
import { type LiveRow, liveAttempts } from "./attempt-store.ts";
import { loseAttempt } from "./end.ts";
import { BEAT_MS, SESSION_TTL_MS, SUSPECT_MS } from "./node-state.ts";
import { knownNode, type Node, recordSign } from "./node-store.ts";
import type { Images } from "./match.ts";
import type { LeasePort } from "./ports.ts";
import { isFinal } from "./state.ts";

type BeatReply = EndpointReply<(typeof nodes)["beat"]>;
type Stop = BeatReply["stop"][number];

export interface Beat {
  readonly node: string;
  readonly installId: string;
  readonly ready: boolean;
  readonly reason: string | null;
  readonly sessions: readonly string[];
  readonly images: Images;
}

const ATTEMPTS_OF = "select id from p_attempts where session = $1 and holder = $2 order by id";

/**
 * Takes a sign of life, which keeps the leases of the sessions that the node names: gives up those that it has forgotten,
 * and answers which of its attempts must stop. Nothing of it is durable knowledge, so no event tells of a beat.
 * @throws ProblemError NODE_SESSION_CONFLICT if another daemon registered for this node, NOT_FOUND if none did
 */
export async function takeBeat(tx: LogTx, leases: LeasePort, beat: Beat): Promise<BeatReply> {
  const node = await knownNode(tx.query, beat.node);
  const bootId = registeredBoot(node);
  refuseClone(node, { installId: beat.installId, bootId }, tx.now);
  await recordSign(tx.query, { ...beat, bootId, at: tx.now });
  if (node.beatAt === null || tx.now - node.beatAt >= SESSION_TTL_MS)
    await tx.setDeadline("node.silent", node.name, tx.now + SESSION_TTL_MS);
  const holder = `node:${node.name}`;
  const live = await liveAttempts(tx.query, holder);
  const named = new Set(beat.sessions);
  const gone = await taken(
    tx,
    leases,
    live.filter(({ session }) => named.has(session)),
  );
  const forgotten = live.filter(
    ({ session, claimed_at: at }) => !named.has(session) && tx.now - at > SESSION_TTL_MS,
  );
  for (const { id } of gone)
    await loseAttempt(tx, leases, { attempt: id, holder, message: "its lease was taken away" });
  for (const { id } of forgotten)
    await loseAttempt(tx, leases, { attempt: id, holder, message: "the node has forgotten it" });
  const lost = lostSessions(beat.sessions, live, gone);
  return {
    serverTime: toTime(tx.now),
    beatMs: BEAT_MS,
    draining: node.draining,
    stop: [...cancelled(live), ...(await stopsOf(tx, holder, lost))],
    lost,
  };
}

function registeredBoot({ name, bootId }: Node): string {
  if (bootId !== null) return bootId;
  throw new ProblemError("NOT_FOUND", `the node ${name} has not registered since the restore`, {
    next: "POST /v1/nodes/self/register",
  });
}

/**
 * One live daemon per node: a second installation waits until the first has been silent for a while.
 * @throws ProblemError NODE_SESSION_CONFLICT
 */
export function refuseClone(
  { name, installId, bootId, beatAt }: Node,
  caller: { readonly installId: string; readonly bootId: string },
  now: number,
): void {
  if (installId === null || beatAt === null || now - beatAt > SUSPECT_MS) return;
  if (installId === caller.installId && bootId === caller.bootId) return;
  const silent = Math.ceil((beatAt + SUSPECT_MS - now) / 1_000);
  throw new ProblemError("NODE_SESSION_CONFLICT", `another daemon runs as the node ${name}`, {
    details: [{ node: name, installId, bootId }],
    next: `stop the other daemon, or join under another name; this one may register when the other is silent for ${silent} s more`,
    retryAfterMs: silent * 1_000,
  });
}

/** Those whose lease somebody else has or may have. */
async function taken(
  { query }: LogTx,
  leases: LeasePort,
  live: readonly LiveRow[],
): Promise<LiveRow[]> {
  const ended = await leases.ended(query, [...new Set(live.map(({ lease }) => lease))]);
  const gone = new Set<string>();
  // A lease that only ran out while the node was cut off still counts.
  for (const id of ended) if (!(await leases.accepts(query, id))) gone.add(id);
  return live.filter(({ lease }) => gone.has(lease));
}

const cancelled = (live: readonly LiveRow[]): Stop[] =>
  live
    .filter(({ run_state: state }) => isFinal(state))
    .map(({ id }) => ({ attempt: id, why: "cancelled" as const }));

function lostSessions(
  named: readonly string[],
  live: readonly LiveRow[],
  gone: readonly LiveRow[],
): string[] {
  const held = new Set(live.filter((one) => !gone.includes(one)).map(({ session }) => session));
  return named.filter((session) => !held.has(session));
}

async function stopsOf(tx: LogTx, holder: string, sessions: readonly string[]): Promise<Stop[]> {
  const stops: Stop[] = [];
  for (const session of sessions) {
    const attempts = await tx.query<{ id: string }>(ATTEMPTS_OF, [session, holder]);
    stops.push(...attempts.map(({ id }) => ({ attempt: id, why: "lost" as const })));
  }
  return stops;
}
