import type { Client } from "../contract/client.ts";
import type { createLog } from "../runtime/log.ts";

/** The spool's database: synchronous, durable when a call returns, owned by one process. bin/ supplies it from storage/. */
export interface SpoolDb {
  run(text: string, values?: readonly unknown[]): void;
  all(text: string, values?: readonly unknown[]): unknown[];
  tx<T>(body: () => T): T;
  close(): void;
}

/** The server as this node sees it, with the node's own identity. */
export interface Server {
  readonly url: string;
  readonly client: Client;
  /** An access token for the stream; `fresh` asks for a new one. */
  token(fresh: boolean): Promise<string>;
}

export type Log = ReturnType<typeof createLog>;
