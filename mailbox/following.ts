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

/** Something that the followers of a thread are told, by a name that is the same each time. */
export interface Notice {
  readonly name: string;
  /** The least time before they are told it again, in milliseconds; undefined: never again. */
  readonly everyMs?: number;
}

interface NoticeIn {
  readonly project: string;
  readonly thread: string;
  readonly notice: Notice;
}

/** Whom a notice goes to now: the followers, or nobody if they were told of it before. */
export async function noticeTo(
  tx: LogTx,
  { project, thread, notice }: NoticeIn,
): Promise<readonly string[]> {
  const last = await lastNotice(tx.query, { project, thread, notice });
  const due = last === null || (notice.everyMs !== undefined && tx.now - last >= notice.everyMs);
  return due ? followersOf(tx.query, project, thread) : [];
}

/** When the followers were told it last, in milliseconds since the epoch. */
export async function lastNotice(
  query: Query,
  { project, thread, notice }: NoticeIn,
): Promise<number | null> {
  const [last] = await query<{ at: number }>(LAST, [project, thread, notice.name]);
  return last?.at ?? null;
}

/** The agents that follow the thread and are not retired. */
export async function followersOf(
  query: Query,
  project: string,
  thread: string,
): Promise<readonly string[]> {
  const rows = await query<{ agent: string }>(FOLLOWERS, [project, thread]);
  return rows.map(({ agent }) => agent);
}
