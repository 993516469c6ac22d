import { createHash } from "node:crypto";
import { z } from "zod";
import { createClient } from "../contract/client.ts";
import type { PublicJwk } from "../contract/events/identity.ts";
import { ProblemError } from "../contract/problem.ts";
import { fingerprintOf, TOKEN_ALGORITHM, TOKEN_TYPES } from "../contract/token.ts";
import { signAssertion, thumbprintOf, timeOfNonce } from "./assertion.ts";
import { createKeyStore, publicHalf } from "./key-store.ts";
import { openHome } from "./home.ts";
import { originOf, refusePlainHttp } from "./server-url.ts";

export interface JoinOptions {
  /** `http://host:port` or `https://…`, without a path. */
  readonly url: string;
  /** The join token itself, not its file. */
  readonly token: string;
  /** Needed when the token is not bound to one name. */
  readonly name?: string;
  /** The folder for key and tokens. */
  readonly home: string;
  /** Allows plain HTTP beyond loopback, for this join and everything after it at this address. */
  readonly insecure?: boolean;
}

export interface Joined {
  readonly principal: string;
  readonly url: string;
}

/**
 * Makes (or takes) the home's key, registers it with a join token, checks the server's signed receipt against the
 * fingerprint in the token, and keeps the membership.
 * @throws ProblemError BAD_REQUEST for a malformed token or plain HTTP, UNAUTHENTICATED if the server is not the one that
 * made the token, what the server answers (CONFLICT: the home's key is somebody else there); UnreachableError
 */
export async function joinServer(options: JoinOptions): Promise<Joined> {
  const token = options.token.trim();
  const fingerprint = fingerprintOf(token);
  if (fingerprint === undefined) {
    throw new ProblemError("BAD_REQUEST", "this is not a join token", {
      next: "give the file that holds the whole token: gpj_… and the server's fingerprint after a dot",
    });
  }
  const url = originOf(options.url);
  refusePlainHttp(url, options.insecure ?? false);
  const store = createKeyStore(options.home);
  const key = await store.key();
  const client = createClient({ url });
  const { nonce, audience, expiresAt } = await client.identity.nonce();
  const thumbprint = await thumbprintOf(key);
  const tokenHash = createHash("sha256").update(token).digest("hex");
  const proof = await signAssertion({
    key,
    typ: TOKEN_TYPES.joinProof,
    subject: thumbprint,
    audience,
    claims: { nonce, token: tokenHash },
    now: timeOfNonce(expiresAt),
  });
  const { principal, receipt, serverJwk } = await client.identity.join({
    body: {
      token,
      jwk: publicHalf(key),
      proof,
      ...(options.name === undefined ? {} : { name: options.name }),
    },
  });
  await verifyReceipt({
    receipt,
    serverJwk,
    fingerprint,
    expected: { nonce, principal, thumbprint },
  });
  if (options.insecure === true) await openHome(options.home).allowPlainHttp(url);
  await store.addMembership({ audience, principal, url });
  return { principal, url };
}

const ReceiptClaims = z.object({ nonce: z.string(), sub: z.string(), thumbprint: z.string() });

async function verifyReceipt(reply: {
  readonly receipt: string;
  readonly serverJwk: PublicJwk;
  readonly fingerprint: string;
  readonly expected: { nonce: string; principal: string; thumbprint: string };
}): Promise<void> {
  const { calculateJwkThumbprint, importJWK, jwtVerify } = await import("jose");
  const { nonce, principal, thumbprint } = reply.expected;
  try {
    if ((await calculateJwkThumbprint(reply.serverJwk)) !== reply.fingerprint)
      throw new Error("its key has another fingerprint");
    const { payload } = await jwtVerify(
      reply.receipt,
      await importJWK(reply.serverJwk, TOKEN_ALGORITHM),
      { algorithms: [TOKEN_ALGORITHM], typ: TOKEN_TYPES.joinReceipt },
    );
    const claims = ReceiptClaims.parse(payload);
    if (claims.nonce !== nonce || claims.sub !== principal || claims.thumbprint !== thumbprint)
      throw new Error("its receipt is for another join");
  } catch (error) {
    throw new ProblemError(
      "UNAUTHENTICATED",
      `this is not the server that made the join token: ${error instanceof Error ? error.message : String(error)}`,
      { next: "check the address, and ask for a new join token", cause: error },
    );
  }
}
