import { agentOwner, agentsOwnedBy, registerAgent } from "../mailbox/agents.ts";
import { principalId } from "./identity/rules.ts";
import type { AgentsPort } from "./identity/ports.ts";

/** The mailbox's agents as identity sees them. */
export const agentsPort: AgentsPort = {
  find: agentOwner,
  ownedBy: agentsOwnedBy,
  register: async (tx, { project, name, owner }) => {
    if ((await agentOwner(tx.query, project, name)) !== null) return;
    const actor = principalId("agent", name, project);
    await registerAgent(tx, { project, name, owner: owner ?? actor, actor });
  },
};
