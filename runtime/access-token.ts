import { createClient } from "../contract/client.ts";
import { TOKEN_TYPES } from "../contract/token.ts";
import { signAssertion } from "./assertion.ts";
import { originOf } from "./join.ts";
import { type AgentRef, createKeyStore, type KeyStore, type TokenFor } from "./key-store.ts";

/** A cached token is not used in its last minute: it must outlive the call. */
const SPARE_MS = 60_000;

/** The home has never joined the server at this address. */
export class NoCredentialsError extends Error {
  readonly next: string;

  constructor(url: string, home: string) {
    super(`no credentials for ${url} in ${home}`);
    this.name = "NoCredentialsError";
    this.next = `gridpost join ${url} --token-file FILE`;
  }
}

export interface TokenSourceOptions {
  readonly home: string;
  readonly url: string;
  /** Act as this agent, which the home's user must own. */
  readonly agent?: AgentRef;
}

/** Gives the access token to send; `fresh` asks for a new one, after a 401. */
export type TokenSource = (fresh: boolean) => Promise<string>;

/**
 * Access tokens from a home: the cached one until 60 s before its end, then a new one for a signed assertion. Calls at
 * the same time share one exchange.
 * @throws (each call) NoCredentialsError, UnreachableError, ProblemError as the server answers
 */
export function tokenSource(options: TokenSourceOptions): TokenSource {
  const store = createKeyStore(options.home);
  const url = originOf(options.url);
  const of: TokenFor = { url, ...(options.agent === undefined ? {} : { agent: options.agent }) };
  let cached: { readonly token: string; readonly expiresAt: string } | undefined;
  let exchanging: Promise<string> | undefined;
  const renew = async (): Promise<string> => {
    cached = await exchange(store, of);
    await store.cacheToken(of, cached);
    return cached.token;
  };
  return async (fresh) => {
    if (!fresh) {
      cached ??= await store.cachedToken(of);
      if (cached !== undefined && Date.parse(cached.expiresAt) - SPARE_MS > Date.now())
        return cached.token;
    }
    exchanging ??= renew().finally(() => {
      exchanging = undefined;
    });
    return exchanging;
  };
}

async function exchange(
  store: KeyStore,
  { url, agent }: TokenFor,
): Promise<{ token: string; expiresAt: string }> {
  const client = createClient({ url });
  const { nonce, audience } = await client.identity.nonce();
  const membership = await store.membership(audience);
  if (membership === undefined) throw new NoCredentialsError(url, store.home);
  const assertion = await signAssertion({
    key: await store.key(),
    typ: TOKEN_TYPES.assertion,
    subject: membership.principal,
    audience,
    claims: { nonce },
  });
  const { token, expiresAt } = await client.identity.token({
    body: { assertion, ...(agent === undefined ? {} : { agent }) },
  });
  return { token, expiresAt };
}
