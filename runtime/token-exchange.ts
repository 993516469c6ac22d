import { createClient } from "../contract/client.ts";
import { TOKEN_TYPES } from "../contract/token.ts";
import { signAssertion, timeOfNonce } from "./assertion.ts";
import type { CachedToken, TokenFor } from "./home.ts";
import { createKeyStore } from "./key-store.ts";
import { NoCredentialsError } from "./no-credentials.ts";

/**
 * Buys an access token with an assertion signed by the home's key; answers when it ends by this machine's clock.
 * @throws as a TokenSource does
 */
export async function exchangeToken(
  home: string,
  { url, agent }: TokenFor,
  timeoutMs?: number,
): Promise<CachedToken> {
  const store = createKeyStore(home);
  const client = createClient({ url, ...(timeoutMs === undefined ? {} : { timeoutMs }) });
  const { nonce, audience, expiresAt: nonceEnd } = await client.identity.nonce();
  const now = timeOfNonce(nonceEnd);
  const aheadMs = now - Date.now();
  const membership = await store.membership(audience);
  if (membership === undefined) throw new NoCredentialsError(url, store.home);
  const assertion = await signAssertion({
    key: await store.key(),
    typ: TOKEN_TYPES.assertion,
    subject: membership.principal,
    audience,
    claims: { nonce },
    now,
  });
  const { token, expiresAt } = await client.identity.token({
    body: { assertion, ...(agent === undefined ? {} : { agent }) },
  });
  return { token, expiresAt: new Date(Date.parse(expiresAt) - aheadMs).toISOString() };
}
