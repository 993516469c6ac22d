import {
  createRemoteJWKSet,
  customFetch,
  decodeJwt,
  decodeProtectedHeader,
  errors,
  type JWTPayload,
  jwtVerify,
} from "jose";
import { ProblemError } from "../../contract/problem.ts";
import { CLOCK_TOLERANCE_MS } from "../../contract/token.ts";
import type { EventLog } from "../../storage/event-log.ts";
import { isFromOutside, type OutsideIssuer, outsideUser, roleChanges } from "./outside-rules.ts";
import type { Standings } from "./standings.ts";
import { rolesOf } from "./store.ts";

const JWKS_TIMEOUT_MS = 5_000;
/** Keys are asked for again at most so often when a token names an unknown one. */
const JWKS_COOLDOWN_MS = 30_000;
const JWKS_MAX_AGE_MS = 600_000;
const MAX_JWKS_BYTES = 262_144;
/** What is wrong with the answer of an issuer that is asked for its keys, and with no token. */
const KEYS_MISSING = new Set(["ERR_JOSE_GENERIC", "ERR_JWKS_TIMEOUT", "ERR_JWKS_INVALID"]);
/** Headers that name keys or need extensions; refused, not ignored. */
const REFUSED_HEADERS = ["jku", "x5u", "jwk", "crit"];

/** A user proved by a token of an outside issuer. */
export interface OutsideCaller {
  readonly principal: string;
  /** Milliseconds since the epoch. */
  readonly exp: number;
}

/** Tokens of configured outside issuers. */
export interface Outside {
  /** Whether a token says that it is from an issuer outside, known or not; nothing is proved by that. */
  claims(token: string): boolean;
  /** Verifies the token and gives its user the roles of the claim map. @throws ProblemError UNAUTHENTICATED, UNAVAILABLE */
  verify(token: string, now: number): Promise<OutsideCaller>;
}

export interface OutsideDeps {
  readonly issuers: readonly OutsideIssuer[];
  readonly log: EventLog;
  readonly standings: Standings;
}

export function createOutside({ issuers, log, standings }: OutsideDeps): Outside {
  const trusted = new Map(
    issuers.map((issuer) => [issuer.issuer, { issuer, keys: keysOf(issuer) }]),
  );
  return {
    claims: (token) => isFromOutside(issuerOf(token)),
    verify: async (token, now) => {
      const found = trusted.get(issuerOf(token) ?? "");
      if (found === undefined)
        throw refused("the token is from an issuer that this server does not know");
      const payload = await check(token, found, now);
      const principal = outsideUser(found.issuer, payload);
      if (principal === undefined)
        throw refused(`the token's ${found.issuer.userClaim} is no name that a user can have here`);
      if ((await standings.of(principal)).generation > 0) throw refused(`${principal} was revoked`);
      await syncRoles({ log, standings }, { principal, issuer: found.issuer, payload });
      return { principal, exp: (payload.exp ?? 0) * 1_000 };
    },
  };
}

/** Who issued a token, as it says itself. */
function issuerOf(token: string): string | undefined {
  try {
    return decodeJwt(token).iss;
  } catch {
    return undefined;
  }
}

type KeySet = ReturnType<typeof createRemoteJWKSet>;

const keysOf = ({ jwksUri }: OutsideIssuer): KeySet =>
  createRemoteJWKSet(new URL(jwksUri), {
    timeoutDuration: JWKS_TIMEOUT_MS,
    cooldownDuration: JWKS_COOLDOWN_MS,
    cacheMaxAge: JWKS_MAX_AGE_MS,
    [customFetch]: fetchBounded,
  });

/** As `fetch`, but without redirects and with a bound on the answer. */
async function fetchBounded(url: string, options: RequestInit): Promise<Response> {
  const response = await fetch(url, { ...options, redirect: "error" });
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > MAX_JWKS_BYTES) throw new Error("the key set is too large");
    chunks.push(chunk);
  }
  return new Response(Buffer.concat(chunks), response);
}

async function check(
  token: string,
  { issuer, keys }: { readonly issuer: OutsideIssuer; readonly keys: KeySet },
  now: number,
): Promise<JWTPayload> {
  const header = decodeProtectedHeader(token);
  const extra = REFUSED_HEADERS.find((name) => name in header);
  if (extra !== undefined) throw refused(`the token's header has ${JSON.stringify(extra)}`);
  try {
    const { payload } = await jwtVerify(token, keys, {
      issuer: issuer.issuer,
      audience: issuer.audience,
      algorithms: [...issuer.algorithms],
      requiredClaims: ["iss", "aud", "exp", "iat", "sub"],
      clockTolerance: CLOCK_TOLERANCE_MS / 1_000,
      currentDate: new Date(now),
    });
    return payload;
  } catch (error) {
    if (error instanceof errors.JWTExpired) throw refused("the token has expired");
    if (error instanceof errors.JWTClaimValidationFailed)
      throw refused(`the token's ${error.claim} is missing or wrong`);
    if (error instanceof errors.JOSEError && !KEYS_MISSING.has(error.code))
      throw refused("the token is not valid");
    throw new ProblemError("UNAVAILABLE", `the keys of ${issuer.issuer} cannot be fetched`, {
      next: "repeat the call; if it fails again, an admin should check the issuer's jwksUri",
      cause: error,
    });
  }
}

interface Synced {
  readonly principal: string;
  readonly issuer: OutsideIssuer;
  readonly payload: JWTPayload;
}

/** Roles follow the claims as events, so that they show in the audit and last until the next token. */
async function syncRoles(
  { log, standings }: Pick<OutsideDeps, "log" | "standings">,
  { principal, issuer, payload }: Synced,
): Promise<void> {
  const changes = roleChanges(issuer, payload, (await standings.of(principal)).roles);
  if (changes.length === 0) return;
  await log.tx([`roles:${principal}`], async (tx) => {
    // What was read before the transaction may have changed since.
    const held = await rolesOf(tx.query, principal);
    for (const { type, role, project } of roleChanges(issuer, payload, held)) {
      const body = { principal, role, project };
      await tx.append({ type, project, actor: "server", body });
    }
  });
  standings.clear();
}

const refused = (message: string): ProblemError =>
  new ProblemError("UNAUTHENTICATED", message, { next: "get a new token from your issuer" });
