import { type AgentRef, openHome, type TokenFor } from "./home.ts";
import { originOf, refusePlainHttp } from "./server-url.ts";

/** A cached token is not used in its last minute: it must outlive the call. */
const SPARE_MS = 60_000;

export interface TokenSourceOptions {
  readonly home: string;
  readonly url: string;
  /** Act as this agent, which the home's user must own. */
  readonly agent?: AgentRef;
  /** Allows plain HTTP beyond loopback, as a join at this address may have done before. */
  readonly insecure?: boolean;
  /** How long each call for a token may take. */
  readonly timeoutMs?: number;
}

/** Gives the access token to send; `fresh` asks for a new one, after a 401. */
export type TokenSource = (fresh: boolean) => Promise<string>;

/**
 * Access tokens from a home: the cached one until 60 s before its end, then a new one for a signed assertion. Calls at
 * the same time share one exchange.
 * @throws (each call) ProblemError BAD_REQUEST for plain HTTP beyond loopback; NoCredentialsError, UnreachableError, ProblemError as the server answers
 */
export function tokenSource(options: TokenSourceOptions): TokenSource {
  const home = openHome(options.home);
  const url = originOf(options.url);
  const of: TokenFor = { url, ...(options.agent === undefined ? {} : { agent: options.agent }) };
  let cached: { readonly token: string; readonly expiresAt: string } | undefined;
  let exchanging: Promise<string> | undefined;
  const renew = async (): Promise<string> => {
    // A command with a cached token does not pay for loading zod, jose and the contract.
    const { exchangeToken } = await import("./token-exchange.ts");
    cached = await exchangeToken(options.home, of, options.timeoutMs);
    // A home may be read-only, or its disk full: then the next command buys its own.
    await home.cacheToken(of, cached).catch(() => undefined);
    return cached.token;
  };
  return async (fresh) => {
    refusePlainHttp(url, options.insecure === true || (await home.isPlainHttpAllowed(url)));
    if (!fresh) {
      cached ??= await home.cachedToken(of);
      if (cached !== undefined && Date.parse(cached.expiresAt) - SPARE_MS > Date.now())
        return cached.token;
    }
    exchanging ??= renew().finally(() => {
      exchanging = undefined;
    });
    return exchanging;
  };
}
