import type { EventBody } from "../contract/events/index.ts";
import type { Query } from "../storage/db.ts";
import type { LogTx } from "../storage/log.ts";

const STATE = "select state from p_followers where project = $1 and thread = $2 and agent = $3";
const FOLLOWERS = `select f.agent from p_followers f
    join p_agents a on a.project = f.project and a.name = f.agent and a.retired_at is null
  where f.project = $1 and f.thread = $2 and f.state = 'follow' order by f.agent limit 1000`;
const LAST = "select at from p_notices where project = $1 and thread = $2 and notice = $3";

export interface Follower {
  readonly project: string;
  readonly thread: string;
  readonly agent: string;
}

/** What an agent wants of a thread. */
export interface Following extends Follower, Pick<EventBody<"thread.followed">, "state"> {
  readonly actor: string;
}

/** Records what the agent wants of a thread, unless it is so already. */
export async function followThread(tx: LogTx, following: Following): Promise<void> {
  const { project, thread, agent, state, actor } = following;
  const before = (await followingOf(tx.query, following)) ?? "none";
  if (before === state) return;
  await tx.append({ type: "thread.followed", project, actor, body: { thread, agent, state } });
}

export async function followingOf(
  query: Query,
  { project, thread, agent }: Follower,
): Promise<"follow" | "mute" | null> {
  const [row] = await query<{ state: "follow" | "mute" }>(STATE, [project, thread, agent]);
  return row?.state ?? null;
}

export type Notice = NonNullable<EventBody<"message.sent">["notice"]>;

/** The least time between two digests to the followers of a thread. */
const DIGEST_EVERY_MS = 15 * 60_000;

/** Whom a notice goes to now: the followers, or nobody if they were told of it before. */
export async function noticeTo(
  tx: LogTx,
  { project, thread, notice }: { project: string; thread: string; notice: Notice },
): Promise<string[]> {
  const [last] = await tx.query<{ at: number }>(LAST, [project, thread, notice]);
  const due = last === undefined || (notice === "digest" && tx.now - last.at >= DIGEST_EVERY_MS);
  if (!due) return [];
  const rows = await tx.query<{ agent: string }>(FOLLOWERS, [project, thread]);
  return rows.map(({ agent }) => agent);
}
