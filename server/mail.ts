import { join } from "node:path";
import { fanOutReader } from "../mailbox/fan-out.ts";
import type { EventLog } from "../storage/event-log.ts";
import { runReader } from "../storage/readers.ts";
import { openFtsIndex } from "../storage/search-fts.ts";
import type { SearchIndex } from "../storage/search.ts";
import { databaseFile } from "./data-folder.ts";

/** The index is brought up to date at most so often while nobody searches. */
const INDEX_EVERY_MS = 1_000;

export interface MailOptions {
  readonly log: EventLog;
  /** The data folder. */
  readonly data: string;
  /** How many unread messages an inbox takes. */
  readonly maxUnread: number;
  readonly onError: (error: unknown) => void;
}

/** What goes on beside the calls of the mailbox. */
export interface Mail {
  readonly search: SearchIndex;
  stop(): Promise<void>;
}

/** Starts the delivery of messages to `@all` and the search index. */
export async function openMail({ log, data, maxUnread, onError }: MailOptions): Promise<Mail> {
  const files = { file: join(data, "search.db"), source: databaseFile(data) };
  const search = openFtsIndex(files);
  let timer: NodeJS.Timeout | undefined;
  const index = (): void => {
    timer ??= setTimeout(() => {
      timer = undefined;
      search.catchUp().catch(onError);
    }, INDEX_EVERY_MS).unref();
  };
  const unlisten = await log.db.listen(index);
  index();
  const fanOut = await runReader(fanOutReader(log, maxUnread), onError);
  return {
    search,
    stop: async () => {
      await fanOut.stop();
      await unlisten();
      clearTimeout(timer);
      await search.close();
    },
  };
}
