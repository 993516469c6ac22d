/** The inbox of one agent. */
export interface InboxAddress {
  readonly project: string;
  readonly agent: string;
}

export interface WaitOptions {
  /** At most so many milliseconds. */
  readonly ms: number;
  /** Ends the wait, which then resolves. */
  readonly signal: AbortSignal;
}

/**
 * Resolves soon after the inbox has grown, after `ms`, or when the signal fires. It listens from the moment of the call,
 * so that mail which comes between a look into the inbox and the `await` is not missed. A hint: the caller looks again.
 */
export type Wait = (inbox: InboxAddress, options: WaitOptions) => Promise<void>;
