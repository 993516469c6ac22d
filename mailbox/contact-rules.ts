import type { Query } from "../storage/db.ts";

const APPROVED = "state = 'approved' and (ttl is null or answered_at + ttl > now_ms())";
const CONTACT = `select denied, ${APPROVED} as approved
  from p_contacts where project = $1 and agent = $2 and peer = $3`;
const ASKED = `select 1 from p_contacts where project = $1 and agent = $2 and peer = $3
  and state = 'pending' and (ttl is null or requested_at + ttl > now_ms())`;
/** As `mayWrite` without an answer says, of all at once. */
const OTHERS = `select count(*) as count from p_agents a
  where a.project = $1 and a.retired_at is null and a.name <> $2
    and (a.policy = 'open' or (a.policy = 'contacts' and exists (select 1 from p_contacts c
      where c.project = a.project and c.agent = a.name and c.peer = $2 and ${APPROVED})))`;

/** What of an agent decides who may write to it. */
export interface Correspondent {
  readonly name: string;
  readonly policy: "open" | "contacts" | "closed";
  readonly retired: number;
}

interface ContactRow {
  readonly denied: number;
  readonly approved: number;
}

/**
 * Whether mail from an agent may reach another: always from itself; by its policy from others, whatever thread or lease
 * they share. A reply to what it wrote to the sender itself may reach an agent that is open to contacts, unless it denied
 * the sender.
 */
export async function mayWrite(
  query: Query,
  { project, from, answers }: { project: string; from: string; answers: string | null },
  { name, policy }: Correspondent,
): Promise<boolean> {
  if (policy === "open" || name === from) return true;
  if (policy === "closed") return false;
  const [contact] = await query<ContactRow>(CONTACT, [project, name, from]);
  return contact?.approved === 1 || (answers === name && contact?.denied !== 1);
}

/** Whether an agent has asked another to let it write, and waits for the answer. */
export async function hasAsked(
  query: Query,
  { project, from }: { project: string; from: string },
  name: string,
): Promise<boolean> {
  return (await query(ASKED, [project, name, from])).length > 0;
}

/** How many agents of a project a message of one of them to everybody may reach. */
export async function countOthers(query: Query, project: string, from: string): Promise<number> {
  const [row] = await query<{ count: number }>(OTHERS, [project, from]);
  return row?.count ?? 0;
}
