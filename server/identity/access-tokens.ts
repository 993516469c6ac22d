import { hash, randomUUID } from "node:crypto";
import { SignJWT } from "jose";
import { z } from "zod";
import { ProblemError } from "../../contract/problem.ts";
import {
  ACCESS_LIFETIME_MS,
  CLOCK_TOLERANCE_MS,
  TOKEN_ALGORITHM,
  TOKEN_TYPES,
} from "../../contract/token.ts";
import type { Outside } from "./outside.ts";
import { type Kind, parsePrincipal } from "./rules.ts";
import type { SigningKeys } from "./signing-keys.ts";
import { MAX_TOKEN_BYTES, plainHeader, verifyJwt } from "./verify-jwt.ts";

const MAX_REMEMBERED = 20_000;
const LONGEST_LIFE_S = (ACCESS_LIFETIME_MS + CLOCK_TOLERANCE_MS) / 1_000;

/** What an access token says. */
export interface AccessClaims {
  readonly sub: string;
  readonly kind: Kind;
  /** The user that acts as the agent `sub`; null for everybody's own token. */
  readonly act: string | null;
  /** The generation of `act`, or else of `sub`, when the token was made. */
  readonly gen: number;
  /** The generation of a delegated `sub` that has joined with a key of its own; 0 if it has none. */
  readonly agen: number;
  /** Milliseconds since the epoch. */
  readonly exp: number;
  /** The key of this server that signed the token; null for a token of an outside issuer. */
  readonly kid: string | null;
}

/** What a token is made of; the signer adds the rest. */
type Granted = Pick<AccessClaims, "sub" | "act" | "gen" | "agen">;

const Payload = z.object({
  sub: z.string(),
  act: z.string().optional(),
  gen: z.int(),
  agen: z.int(),
  iat: z.int(),
  exp: z.int(),
});

export interface AccessTokens {
  sign(claims: Granted, now: number): Promise<{ token: string; exp: number }>;
  /**
   * Checks everything that does not change while a token lives, once per token: a verified one is remembered by its hash.
   * @throws ProblemError UNAUTHENTICATED
   */
  verify(token: string, now: number): AccessClaims | Promise<AccessClaims>;
  /** Whether the key that signed an accepted token still verifies: false once it was revoked. */
  isSigned(claims: AccessClaims, now: number): boolean;
  /** Checks every token anew: after a signing key was revoked. */
  forget(): void;
}

export interface AccessTokensOptions {
  /** Read for each token, so that a rotation takes effect. */
  readonly keys: () => SigningKeys;
  /** `iss` and `aud`. */
  readonly audience: string;
  readonly outside: Outside;
}

export function createAccessTokens(options: AccessTokensOptions): AccessTokens {
  const remembered = new Map<string, AccessClaims>();
  // A check that began before `forget` must not be remembered after it.
  let epoch = 0;
  const remember = (name: string, claims: AccessClaims): AccessClaims => {
    const oldest = remembered.size < MAX_REMEMBERED ? undefined : remembered.keys().next().value;
    if (oldest !== undefined) remembered.delete(oldest);
    remembered.set(name, claims);
    return claims;
  };
  return {
    sign: (claims, now) => sign(options, claims, now),
    verify: (token, now) => {
      if (token.length > MAX_TOKEN_BYTES)
        throw refused(`a token has at most ${MAX_TOKEN_BYTES} bytes`);
      const name = hash("sha256", token, "base64");
      const known = remembered.get(name);
      if (known === undefined) {
        const begun = epoch;
        return check(options, token, now).then((claims) =>
          begun === epoch ? remember(name, claims) : claims,
        );
      }
      if (known.exp > now) return known;
      remembered.delete(name);
      throw refused("the token has expired");
    },
    isSigned: ({ kid }, now) => kid === null || options.keys().verifier(kid, now) !== undefined,
    forget: () => {
      epoch += 1;
      remembered.clear();
    },
  };
}

async function check(
  { keys, audience, outside }: AccessTokensOptions,
  token: string,
  now: number,
): Promise<AccessClaims> {
  if (outside.claims(token)) {
    const { principal: sub, exp } = await outside.verify(token, now);
    // Who never joined has no generation; a revocation gives them one, which no outside token has.
    return { sub, kind: "user", act: null, gen: 0, agen: 0, exp, kid: null };
  }
  const { typ, kid } = plainHeader(token);
  const key = keys().verifier(kid, now);
  if (key === undefined) throw refused("the token is signed by an unknown key");
  const payload = await verifyJwt(token, {
    key,
    now,
    typ,
    issuer: audience,
    audience,
    foreignClock: false,
  });
  const { sub, act = null, gen, agen, iat, exp } = Payload.parse(payload);
  // Whoever stole a key cannot make a token that outlives the key.
  if (exp - iat > LONGEST_LIFE_S) throw refused("the token lives longer than any of this server");
  const kind = parsePrincipal(sub)?.kind;
  if (kind === undefined || typ !== TOKEN_TYPES[kind])
    throw refused("this is not an access token of that class");
  return { sub, kind, act, gen, agen, exp: exp * 1_000, kid };
}

async function sign(
  { keys, audience }: AccessTokensOptions,
  { sub, act, gen, agen }: Granted,
  now: number,
): Promise<{ token: string; exp: number }> {
  const { kid, key } = keys().current(now);
  const kind = parsePrincipal(sub)?.kind ?? "user";
  const iat = Math.floor(now / 1_000);
  const exp = iat + ACCESS_LIFETIME_MS / 1_000;
  const token = await new SignJWT({ gen, agen, ...(act === null ? {} : { act }) })
    .setProtectedHeader({ alg: TOKEN_ALGORITHM, typ: TOKEN_TYPES[kind], kid })
    .setIssuer(audience)
    .setAudience(audience)
    .setSubject(sub)
    .setIssuedAt(iat)
    .setExpirationTime(exp)
    .setJti(randomUUID())
    .sign(key);
  return { token, exp: exp * 1_000 };
}

const refused = (message: string): ProblemError =>
  new ProblemError("UNAUTHENTICATED", message, { next: "get a new access token" });
