import { randomUUID } from "node:crypto";
import type { JWTPayload } from "jose";
import { ASSERTION_LIFETIME_MS, TOKEN_ALGORITHM } from "../contract/token.ts";
import type { PrivateJwk } from "./key-store.ts";

/** What a principal's key signs. */
export interface Assertion {
  readonly key: PrivateJwk;
  readonly typ: string;
  readonly subject: string;
  readonly audience: string;
  readonly claims: JWTPayload;
  /** Milliseconds since the epoch, by the clock of whoever judges it. */
  readonly now: number;
}

/**
 * The server's time when it made a nonce, in milliseconds since the epoch. What is signed is dated by it, so that it is
 * good whichever of the two clocks is wrong; that it is not old, the nonce proves.
 */
export const timeOfNonce = (expiresAt: string): number =>
  Date.parse(expiresAt) - ASSERTION_LIFETIME_MS;

/** A JWT with `iss` = `sub` = the signer, good for a minute, made by the key. */
export async function signAssertion(assertion: Assertion): Promise<string> {
  // 40 ms of start-up that a command with a cached access token does not pay.
  const { SignJWT, calculateJwkThumbprint, importJWK } = await import("jose");
  const { key, typ, subject, audience, claims } = assertion;
  const now = Math.floor(assertion.now / 1_000);
  return new SignJWT(claims)
    .setProtectedHeader({ alg: TOKEN_ALGORITHM, typ, kid: await calculateJwkThumbprint(key) })
    .setIssuer(subject)
    .setSubject(subject)
    .setAudience(audience)
    .setIssuedAt(now)
    .setExpirationTime(now + ASSERTION_LIFETIME_MS / 1_000)
    .setJti(randomUUID())
    .sign(await importJWK(key, TOKEN_ALGORITHM));
}

/** The RFC 7638 thumbprint of a key. */
export async function thumbprintOf(key: PrivateJwk): Promise<string> {
  const { calculateJwkThumbprint } = await import("jose");
  return calculateJwkThumbprint(key);
}
