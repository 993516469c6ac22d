import { parentPort, type Worker } from "node:worker_threads";
import { startThread } from "./thread.ts";

interface Asked {
  readonly id: number;
  readonly question: unknown;
}

interface Answered {
  readonly id: number;
  readonly answer?: unknown;
  /** Why there is no answer. */
  readonly error?: string;
}

interface Waiting {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** A module that answers questions in a thread of its own, which starts with the first one and, if it died, anew with the next. */
export interface AskedThread<Q, A> {
  /** Rejects with an Error that says why there is no answer. */
  ask(question: Q): Promise<A>;
  /** Ends the thread once it has answered; what is asked later is refused. */
  close(): Promise<void>;
}

/** @param module calls `answerAll`; see `startThread` */
export function askedThread<Q, A>(module: URL, workerData: unknown): AskedThread<Q, A> {
  const waiting = new Map<number, Waiting>();
  let asked = 0;
  let closed = false;
  let running: { readonly worker: Worker; readonly exited: Promise<void> } | undefined;

  const failAll = (error: unknown): void => {
    const reason = error instanceof Error ? error : new Error("its thread has ended");
    for (const { reject } of waiting.values()) reject(reason);
    waiting.clear();
  };
  const start = (): NonNullable<typeof running> => {
    const worker = startThread(module, workerData);
    worker.on("message", ({ id, answer, error }: Answered) => {
      const one = waiting.get(id);
      waiting.delete(id);
      if (error === undefined) one?.resolve(answer);
      else one?.reject(new Error(error));
    });
    worker.on("error", failAll);
    const exited = new Promise<void>((resolve) => {
      worker.on("exit", () => {
        running = undefined;
        failAll(undefined);
        resolve();
      });
    });
    return { worker, exited };
  };
  return {
    ask: (question) => {
      if (closed) return Promise.reject(new Error("its thread has ended"));
      running ??= start();
      const { worker } = running;
      const id = (asked += 1);
      return new Promise<A>((resolve, reject) => {
        waiting.set(id, { resolve: resolve as (answer: unknown) => void, reject });
        worker.postMessage({ id, question } satisfies Asked);
      });
    },
    close: async () => {
      closed = true;
      running?.worker.postMessage(null);
      await running?.exited;
    },
  };
}

/** How a thread answers. */
export interface Answering<Q, A> {
  /** May throw: whoever asked hears the message. */
  readonly answer: (question: Q) => A | Promise<A>;
  /** Gives back what the thread holds. */
  readonly close: () => void;
}

/** In the thread: answers what is asked, one after the other. */
export function answerAll<Q, A>({ answer, close }: Answering<Q, A>): void {
  const answered = async ({ id, question }: Asked): Promise<Answered> => {
    try {
      return { id, answer: await answer(question as Q) };
    } catch (error) {
      return { id, error: error instanceof Error ? error.message : String(error) };
    }
  };
  let last = Promise.resolve();
  parentPort?.on("message", (asked: Asked | null) => {
    last = last.then(async () => {
      if (asked !== null) {
        parentPort?.postMessage(await answered(asked));
        return;
      }
      close();
      parentPort?.close();
    });
  });
}
