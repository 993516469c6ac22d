import type { AgentDirectory, AgentFacts } from "../reservations/ports.ts";

const FACTS = "select name, program, active_at from p_agents where project = $1 and name = $2";

interface Row {
  readonly name: string;
  readonly program: string | null;
  readonly active_at: number;
}

/** The mailbox's agents as reservations sees them. */
export const agentDirectory: AgentDirectory = {
  describe: async (query, project, names) => {
    const facts = new Map<string, AgentFacts>();
    for (const name of names) {
      const [row] = await query<Row>(FACTS, [project, name]);
      if (row !== undefined)
        facts.set(row.name, { program: row.program, lastActivityAt: row.active_at });
    }
    return facts;
  },
};
