import {
  decodeProtectedHeader,
  errors,
  type JWTPayload,
  jwtVerify,
  type JWTVerifyOptions,
  type CryptoKey,
} from "jose";
import { ProblemError } from "../../contract/problem.ts";
import { CLOCK_TOLERANCE_MS, TOKEN_ALGORITHM } from "../../contract/token.ts";

/** Longer than any token of ours; nothing larger is even parsed. */
export const MAX_TOKEN_BYTES = 8_192;

const REQUIRED = ["iss", "aud", "exp", "iat", "jti", "sub"];
const HEADERS = new Set(["alg", "typ", "kid"]);

/** The header of a JWT that has no parameter but `alg`, `typ` and `kid`, and the pinned algorithm. */
export interface PlainHeader {
  readonly typ: string;
  readonly kid: string;
}

/**
 * Reads the header before any key is looked up. A header that names keys (`jku`, `x5u`, `jwk`), extensions (`crit`) or
 * another algorithm is refused, not ignored.
 * @throws ProblemError UNAUTHENTICATED
 */
export function plainHeader(token: string): PlainHeader {
  if (token.length > MAX_TOKEN_BYTES) throw refused(`a token has at most ${MAX_TOKEN_BYTES} bytes`);
  let header: ReturnType<typeof decodeProtectedHeader>;
  try {
    header = decodeProtectedHeader(token);
  } catch {
    throw refused("the token is not a JWT");
  }
  // Not in its own words: what strangers say is kept nowhere.
  if (Object.keys(header).some((name) => !HEADERS.has(name)))
    throw refused("the token's header has more than alg, typ and kid");
  const { alg, typ, kid } = header;
  if (alg !== TOKEN_ALGORITHM) throw refused(`the token's algorithm is not ${TOKEN_ALGORITHM}`);
  if (typeof typ !== "string" || typeof kid !== "string")
    throw refused("the token's header lacks typ or kid");
  return { typ, kid };
}

export interface Expected extends Pick<
  JWTVerifyOptions,
  "issuer" | "audience" | "subject" | "typ"
> {
  readonly key: CryptoKey;
  /** By `now_ms()`. */
  readonly now: number;
  /** Whether the claims come from another clock, which may be a minute off. */
  readonly foreignClock: boolean;
}

/** Verifies signature, class, issuer, audience and times. @throws ProblemError UNAUTHENTICATED */
export async function verifyJwt(token: string, expected: Expected): Promise<JWTPayload> {
  const { key, now, foreignClock, ...options } = expected;
  try {
    const { payload } = await jwtVerify(token, key, {
      ...options,
      algorithms: [TOKEN_ALGORITHM],
      requiredClaims: REQUIRED,
      clockTolerance: foreignClock ? CLOCK_TOLERANCE_MS / 1_000 : 0,
      currentDate: new Date(now),
    });
    refuseFuture(payload, now);
    return payload;
  } catch (error) {
    if (error instanceof ProblemError) throw error;
    throw refused(reasonOf(error, { now, foreignClock }), error);
  }
}

function refuseFuture({ iat = 0 }: JWTPayload, now: number): void {
  if (iat * 1_000 > now + CLOCK_TOLERANCE_MS) throw refused(clockMessage(iat * 1_000 - now));
}

/** What is wrong, without echoing anything of the token. */
function reasonOf(error: unknown, at: { now: number; foreignClock: boolean }): string {
  if (error instanceof errors.JWTExpired) {
    const { iat } = error.payload;
    const behind = at.now - (iat ?? 0) * 1_000;
    if (at.foreignClock && iat !== undefined) return clockMessage(-behind);
    return "the token has expired";
  }
  if (error instanceof errors.JWTClaimValidationFailed)
    return `the token's ${error.claim} is missing or wrong`;
  if (error instanceof errors.JWSSignatureVerificationFailed)
    return "the token's signature is wrong";
  return "the token is not valid";
}

const CLOCK = "the clock of your machine";

/** @param offMs how far the signer's clock is ahead of the server's; negative: behind */
function clockMessage(offMs: number): string {
  const seconds = Math.round(Math.abs(offMs) / 1_000);
  const side = offMs > 0 ? "ahead of" : "behind";
  return `${CLOCK} is ${seconds} s ${side} the server's (at most ${CLOCK_TOLERANCE_MS / 1_000} s are tolerated): set it, for example with NTP`;
}

function refused(message: string, cause?: unknown): ProblemError {
  const next = message.startsWith(CLOCK) ? "timedatectl set-ntp true" : "get a new access token";
  return new ProblemError("UNAUTHENTICATED", message, {
    next,
    ...(cause === undefined ? {} : { cause }),
  });
}
