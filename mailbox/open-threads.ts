import { ProblemError } from "../contract/problem.ts";
import type { Query } from "../storage/db.ts";

const PRIVATE = `select 1 where exists (select 1 from p_messages where project = $1 and thread = $2)
  and not exists (select 1 from p_threads where project = $1 and thread = $2 and open = 1)`;

/**
 * Lets through a thread that is new or open: what is posted there is for every reader of the project.
 * @throws ProblemError THREAD_TAKEN
 */
export async function refusePrivate(query: Query, project: string, thread: string): Promise<void> {
  const found = await query(PRIVATE, [project, thread]);
  if (found.length === 0) return;
  throw new ProblemError("THREAD_TAKEN", `the thread ${thread} is private`, {
    details: [{ thread }],
    next: "choose another thread id, or leave it out to start a new thread",
  });
}
