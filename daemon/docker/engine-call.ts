import { EngineGoneError } from "../launcher.ts";

/** An answer of the engine that is not a success. */
export interface EngineProblem {
  readonly statusCode: number;
  readonly message: string;
}

/** The engine's refusal in an error, or undefined if there was no answer at all. */
export function problemOf(error: unknown): EngineProblem | undefined {
  if (!(error instanceof Error) || !("statusCode" in error)) return undefined;
  if (typeof error.statusCode !== "number") return undefined;
  return {
    statusCode: error.statusCode,
    message: error.message.replace(/^\(HTTP code \d+\) [a-z ]* - /, "").trim(),
  };
}

/**
 * One call of the engine that ends in time.
 * @throws EngineGoneError when no answer comes; what the engine refused is passed on as it is
 */
export async function engineCall<T>(
  what: string,
  timeoutMs: number,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const aborter = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new EngineGoneError(what, new Error(`no answer in ${timeoutMs} ms`)));
      aborter.abort();
    }, timeoutMs);
  });
  try {
    return await Promise.race([call(aborter.signal), late]);
  } catch (error) {
    if (error instanceof EngineGoneError || problemOf(error) !== undefined) throw error;
    throw new EngineGoneError(what, error);
  } finally {
    clearTimeout(timer);
  }
}
