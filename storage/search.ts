import type { Query } from "./db.ts";

/** What a text must hold. */
export type TextQuery =
  /** Words that follow each other; with `prefix` the last one may go on. */
  | { readonly kind: "phrase"; readonly text: string; readonly prefix: boolean }
  | { readonly kind: "and" | "or"; readonly of: readonly TextQuery[] }
  | { readonly kind: "not"; readonly of: TextQuery };

/** In whose name is searched. */
export interface Searcher {
  readonly project: string;
  /** What none of these has sent or got is not looked at, unless everybody of the project may read it. */
  readonly agents: readonly string[];
}

export interface SearchRequest {
  /** Only saves work: what may be found is the condition's to say. */
  readonly searcher: Searcher;
  /** null: everything that fits the condition, newest first. */
  readonly text: TextQuery | null;
  /** A condition over `m`, a row of `p_messages`, with `$1`… for `values`. */
  readonly where: string;
  readonly values: readonly unknown[];
  readonly order: "relevance" | "recent";
  readonly skip: number;
  readonly limit: number;
}

export interface Hit {
  /** Of the message. */
  readonly id: string;
  /** The found words between ** and **; null when no word was to be found. */
  readonly snippet: string | null;
}

/** By relevance no more messages than this are compared: of more, the newest. */
export const MAX_RANKED = 200;

export interface Found {
  readonly hits: Hit[];
  /** Whether more than `MAX_RANKED` messages fit, so that older ones were not compared. */
  readonly newestOnly: boolean;
}

/**
 * What is found by an index of its own, which a thread beside the main one keeps: the subjects and bodies of messages, and
 * the threads of each agent in the order of their newest message.
 */
export interface SearchIndex {
  /**
   * Finds what was committed before the call.
   * @throws ProblemError UNAVAILABLE if the index cannot be read or its worker has ended
   */
  search(request: SearchRequest): Promise<Found>;
  /**
   * Reads `thread_members (project, agent, thread, last_message)` beside the tables of the database, as they are after
   * the call or later; `last_message` is the newest that the agent sent or got.
   * @throws ProblemError UNAVAILABLE as `search`
   */
  readonly query: Query;
  /** Indexes what was committed since; searching does that, too, but then somebody waits for it. */
  catchUp(): Promise<void>;
  close(): Promise<void>;
}
