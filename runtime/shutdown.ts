/** What a process has to give back when it ends, released in the opposite order of its making. */
export interface Releasers {
  push(name: string, release: () => Promise<unknown> | void): void;
  /** Releases everything once; later calls wait for the first. `onError` hears of each that failed. */
  release(onError: (name: string, error: unknown) => void): Promise<void>;
}

export function createReleasers(): Releasers {
  const stack: { readonly name: string; readonly release: () => Promise<unknown> | void }[] = [];
  let releasing: Promise<void> | undefined;
  const releaseAll = async (onError: (name: string, error: unknown) => void): Promise<void> => {
    for (;;) {
      const last = stack.pop();
      if (last === undefined) return;
      try {
        await last.release();
      } catch (error) {
        onError(last.name, error);
      }
    }
  };
  return {
    push: (name, release) => void stack.push({ name, release }),
    release: (onError) => (releasing ??= releaseAll(onError)),
  };
}

/** Resolves at the first of the signals; from then on a second one, also another of them, ends the process at once. */
export function untilSignal(
  signals: readonly NodeJS.Signals[] = ["SIGTERM", "SIGINT"],
): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const first = (signal: NodeJS.Signals): void => {
      for (const one of signals) process.off(one, first);
      resolve(signal);
    };
    for (const signal of signals) process.on(signal, first);
  });
}

/** Ends the process with `code` if it still lives after `ms`: what hangs must not hold a stop for ever. */
export function exitAfter(ms: number, code: number): void {
  setTimeout(() => process.exit(code), ms).unref();
}
