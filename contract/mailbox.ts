import { agentEndpoints } from "./mail/agents.ts";
import { contactEndpoints } from "./mail/contacts.ts";
import { messageEndpoints } from "./mail/messages.ts";
import { threadEndpoints } from "./mail/threads.ts";

const { search: _q, ...threads } = threadEndpoints;

/** The calls of the mailbox. */
export const mailbox = {
  ...agentEndpoints,
  ...contactEndpoints,
  ...messageEndpoints,
  ...threads,
} as const;
