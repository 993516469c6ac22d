import type { Projection } from "../storage/log.ts";
import { agentsApply } from "./apply-agents.ts";
import { messagesApply } from "./apply-messages.ts";

/** Agents, contacts, groups, threads, messages and inboxes. */
export const mailboxProjection: Projection = {
  name: "mailbox",
  tables: [
    "p_agents",
    "p_contacts",
    "p_groups",
    "p_group_members",
    "p_threads",
    "p_thread_members",
    "p_followers",
    "p_notices",
    "p_messages",
    "p_deliveries",
    "p_skipped",
    "p_uploads",
    "p_attachments",
  ],
  apply: { ...agentsApply, ...messagesApply },
};
