import { agentEndpoints } from "./mail/agents.ts";
import { contactEndpoints } from "./mail/contacts.ts";
import { messageEndpoints } from "./mail/messages.ts";
import { threadEndpoints } from "./mail/threads.ts";

/** The calls of the mailbox. */
export const mailbox = {
  ...agentEndpoints,
  ...contactEndpoints,
  ...messageEndpoints,
  ...threadEndpoints,
} as const;
