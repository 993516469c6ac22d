import type { Handlers } from "../contract/handlers.ts";
import type { mailbox } from "../contract/mailbox.ts";
import { agentHandlers } from "./agents.ts";
import { type InboxDeps, inboxHandlers } from "./inbox.ts";
import { messageHandlers } from "./messages.ts";
import { sendHandlers } from "./sending.ts";
import { threadHandlers } from "./threads.ts";

/** The handlers of every endpoint of the mailbox. */
export const mailboxHandlers = (deps: InboxDeps): Handlers<typeof mailbox> => ({
  ...agentHandlers(deps.log),
  ...sendHandlers(deps.log),
  ...messageHandlers(deps.log),
  ...inboxHandlers(deps),
  ...threadHandlers(deps.log),
});
