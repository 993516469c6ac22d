import type { Query } from "../storage/db.ts";

/** What is known of an agent besides its name. */
export interface AgentFacts {
  readonly program: string | null;
  /** Milliseconds since the epoch. */
  readonly lastActivityAt: number | null;
}

/** The agents of a project, as reservations asks the mailbox about them. */
export interface AgentDirectory {
  /** Facts by name; a name that is no agent's has none. */
  describe(
    query: Query,
    project: string,
    names: readonly string[],
  ): Promise<ReadonlyMap<string, AgentFacts>>;
}

/** Resolves when a ticket may have changed, after `ms`, or at the signal; a hint, the caller looks again. */
export type WaitForTicket = (
  ticket: { readonly project: string; readonly id: string },
  options: { readonly ms: number; readonly signal: AbortSignal },
) => Promise<void>;
