import type { Handlers } from "../contract/handlers.ts";
import type { mailbox } from "../contract/mailbox.ts";
import type { Blobs } from "../storage/blobs.ts";
import { agentHandlers } from "./agent-handlers.ts";
import { attachmentHandlers } from "./attachments.ts";
import { contactHandlers } from "./contacts.ts";
import { groupHandlers } from "./groups.ts";
import { type InboxDeps, inboxHandlers } from "./inbox.ts";
import { messageHandlers } from "./messages.ts";
import { receiptHandlers } from "./receipts.ts";
import { type SearchDeps, searchHandlers } from "./search.ts";
import { sendHandlers } from "./sending.ts";
import { threadHandlers } from "./threads.ts";

export interface MailboxDeps extends InboxDeps, SearchDeps {
  readonly blobs: Blobs;
  /** How many unread messages an inbox takes. */
  readonly maxUnread: number;
}

/** The handlers of every endpoint of the mailbox. */
export const mailboxHandlers = (deps: MailboxDeps): Handlers<typeof mailbox> => ({
  ...agentHandlers(deps.log),
  ...contactHandlers(deps.log),
  ...groupHandlers(deps.log),
  ...sendHandlers(deps.log, deps.maxUnread),
  ...messageHandlers(deps.log),
  ...receiptHandlers(deps.log),
  ...attachmentHandlers(deps.log, deps.blobs),
  ...inboxHandlers(deps),
  ...threadHandlers(deps),
  ...searchHandlers(deps),
});
