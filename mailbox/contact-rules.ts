import type { Query } from "../storage/db.ts";

const CONTACT = `select denied, state = 'approved' and (ttl is null or answered_at + ttl > now_ms()) as approved
  from p_contacts where project = $1 and agent = $2 and peer = $3`;

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
