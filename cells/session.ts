import type { z } from "zod";
import type { Cell } from "../contract/cell/cell.ts";
import type { AttemptRef } from "../contract/run.ts";
import type { Session } from "../contract/cells.ts";
import { newId } from "../contract/ids.ts";
import type { Resource } from "../contract/resource.ts";
import type { Query } from "../storage/db.ts";
import type { LogTx } from "../storage/log.ts";
import {
  claimable,
  type ClaimableRow,
  frozenImage,
  type SweepTerms,
  termsOf,
} from "./claim-store.ts";
import { SESSION_TTL_MS } from "./node-state.ts";
import type { LeasePort } from "./ports.ts";

export type SessionReply = z.input<typeof Session>;

/** Who is given what; the run is found apart. */
export interface Grant {
  readonly id: string;
  /** The principal, and what events call it. */
  readonly holder: string;
  readonly actor: string;
  /** Frozen identity of the run's image, or null. */
  readonly image: string | null;
  readonly gpus: readonly string[];
  readonly ttlMs: number;
}

/**
 * Grants a session of one run: its lease on run and GPUs, a new attempt whose number is the fencing token, and the
 * change of the run's state, all in the caller's transaction.
 * @throws ProblemError RESERVATION_CONFLICT if another lease holds the run or a GPU
 */
export async function grantSession(
  tx: LogTx,
  leases: LeasePort,
  { run, grant }: { readonly run: ClaimableRow; readonly grant: Grant },
): Promise<SessionReply> {
  const { project } = run;
  const { id, holder, actor, image, gpus, ttlMs } = grant;
  const terms = await termsOf(tx.query, run.sweep);
  const node = nodeOf(holder);
  const resources: Resource[] = [
    { kind: "cell", run: run.id },
    ...gpus.map((uuid): Resource => ({ kind: "gpu", node: node ?? "", uuid })),
  ];
  const { id: lease, fence } = await leases.grant(tx, {
    project,
    holder,
    resources,
    ttlMs,
    reason: null,
    thread: terms.thread,
    actor,
    kept: node !== null,
  });
  const attempt = { id: newId(), run: run.id, n: run.attempt + 1 };
  await tx.append({
    type: "session.granted",
    project,
    actor,
    body: { id, holder, lease, fence, gpus, attempts: [attempt] },
  });
  return {
    id,
    lease: { id: lease, fence, ttlMs },
    gpus: [...gpus],
    runs: [grantedRun({ run, image, terms, attempt })],
  };
}

/** The node that a holder is, or null for an agent or user. */
export const nodeOf = (holder: string): string | null =>
  holder.startsWith("node:") ? holder.slice("node:".length) : null;

interface RunParts extends Pick<Grant, "image"> {
  readonly run: ClaimableRow;
  readonly terms: SweepTerms;
  readonly attempt: z.input<typeof AttemptRef>;
}

function grantedRun({ run, image, terms, attempt }: RunParts): SessionReply["runs"][number] {
  const { name, thread, repeats, warmup, phases, lostAfter } = terms;
  return {
    project: run.project,
    sweep: run.sweep,
    sweepName: name,
    thread,
    block: run.block,
    attempt,
    cell: JSON.parse(run.spec) as Cell,
    image,
    repeats,
    warmup,
    phases,
    lostAfterMs: lostAfter,
  };
}

const LIVE = `select id, run, n, lease, fence, gpus from p_attempts
  where session = $1 and state in ('claimed', 'running') order by id`;

interface LiveRow {
  readonly id: string;
  readonly run: string;
  readonly n: number;
  readonly lease: string;
  readonly fence: number;
  readonly gpus: string;
}

/** A session as it is now, with those of its runs that are still the holder's; null if it has none or is unknown. */
export async function sessionView(query: Query, id: string): Promise<SessionReply | null> {
  const live = await query<LiveRow>(LIVE, [id]);
  const runs: SessionReply["runs"] = [];
  for (const { id: attempt, run: of, n } of live) {
    const run = await claimable(query, of);
    if (run === undefined) continue;
    const terms = await termsOf(query, run.sweep);
    const image = await frozenImage(query, run.queue);
    runs.push(grantedRun({ run, image, terms, attempt: { id: attempt, run: of, n } }));
  }
  const [row] = live;
  if (row === undefined) return null;
  const lease = { id: row.lease, fence: row.fence, ttlMs: SESSION_TTL_MS };
  return { id, lease, gpus: JSON.parse(row.gpus) as string[], runs };
}
