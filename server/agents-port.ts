import { agentOwner, agentsOwnedBy, registerAgent } from "../mailbox/agents.ts";
import { principalId } from "./identity/rules.ts";
import type { AgentsPort } from "./identity/ports.ts";

/** The mailbox's agents as identity sees them. */
export const agentsPort: AgentsPort = {
  find: agentOwner,
  ownedBy: agentsOwnedBy,
  register: async (tx, project, name) => {
    if ((await agentOwner(tx.query, project, name)) !== null) return;
    const owner = principalId("agent", name, project);
    await registerAgent(tx, { project, name, owner, actor: owner });
  },
};
