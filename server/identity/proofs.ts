import { importJWK, type CryptoKey } from "jose";
import { z } from "zod";
import type { PublicJwk } from "../../contract/events/identity.ts";
import { ProblemError } from "../../contract/problem.ts";
import { TOKEN_ALGORITHM, TOKEN_TYPES } from "../../contract/token.ts";
import type { Query } from "../../storage/db.ts";
import type { Nonces } from "./nonces.ts";
import { keyByThumbprint } from "./store.ts";
import { plainHeader, verifyJwt } from "./verify-jwt.ts";

export interface ProofDeps {
  readonly nonces: Nonces;
  readonly audience: string;
}

/** Who was proved, and of which generation they were then: one that has ended since buys nothing. */
export interface Proved {
  readonly principal: string;
  readonly generation: number;
}

const WithNonce = z.object({ nonce: z.string().max(128) });
const JoinProof = WithNonce.extend({ token: z.string() });

/** Verifies an assertion with the registered key that its header names; its nonce is not spent yet. @throws ProblemError UNAUTHENTICATED */
export async function verifyAssertion(
  { nonces, audience }: ProofDeps,
  assertion: string,
  { query, now }: { query: Query; now: number },
): Promise<Proved & { readonly nonce: string }> {
  const { kid } = plainHeader(assertion);
  const registered = await keyByThumbprint(query, kid);
  if (registered === undefined)
    throw refused("the key of this assertion is not registered, or was revoked");
  const { principal, generation, jwk } = registered;
  const payload = await verifyJwt(assertion, {
    key: await importKey(jwk),
    now,
    typ: TOKEN_TYPES.assertion,
    issuer: principal,
    subject: principal,
    audience,
    foreignClock: true,
  });
  const { nonce } = parseClaims(WithNonce, payload);
  nonces.check(nonce, now);
  return { principal, generation, nonce };
}

export interface JoinProofInput {
  readonly proof: string;
  readonly jwk: PublicJwk;
  readonly thumbprint: string;
  readonly tokenHash: string;
  readonly now: number;
}

/** Verifies that the holder of the new key wants to register it with this very token. @throws ProblemError UNAUTHENTICATED */
export async function verifyJoinProof(
  { nonces, audience }: ProofDeps,
  { proof, jwk, thumbprint, tokenHash, now }: JoinProofInput,
): Promise<string> {
  if (plainHeader(proof).kid !== thumbprint) throw refused("the proof is signed by another key");
  const payload = await verifyJwt(proof, {
    key: await importKey(jwk),
    now,
    typ: TOKEN_TYPES.joinProof,
    issuer: thumbprint,
    subject: thumbprint,
    audience,
    foreignClock: true,
  });
  const { nonce, token } = parseClaims(JoinProof, payload);
  if (token !== tokenHash) throw refused("the proof is for another join token");
  nonces.check(nonce, now);
  return nonce;
}

async function importKey(jwk: PublicJwk): Promise<CryptoKey> {
  try {
    return (await importJWK(jwk, TOKEN_ALGORITHM)) as CryptoKey;
  } catch (error) {
    throw new ProblemError("BAD_REQUEST", "jwk is not an Ed25519 public key", { cause: error });
  }
}

function parseClaims<T extends z.ZodType>(schema: T, payload: unknown): z.output<T> {
  const parsed = schema.safeParse(payload);
  if (parsed.success) return parsed.data;
  throw refused("the signed claims are incomplete");
}

const refused = (message: string): ProblemError =>
  new ProblemError("UNAUTHENTICATED", message, { next: "gridpost join" });
