/** The `typ` header of every JWT of the product; a token of one class is never accepted as another (RFC 8725 3.11). */
export const TOKEN_TYPES = {
  user: "user-at+jwt",
  agent: "agent-at+jwt",
  node: "node-at+jwt",
  /** Signed by a principal's key; buys an access token. */
  assertion: "assertion+jwt",
  /** Signed by a new key; registers it with a join token. */
  joinProof: "join-proof+jwt",
  /** Signed by the server's key; the answer to a join. */
  joinReceipt: "join-receipt+jwt",
} as const;

/** The only signature algorithm. */
export const TOKEN_ALGORITHM = "EdDSA";

/** How long an access token lives. */
export const ACCESS_LIFETIME_MS = 600_000;

/** How far two clocks may be apart. */
export const CLOCK_TOLERANCE_MS = 60_000;

/** How long an assertion or a join proof is good for: as long as the nonce in it. */
export const ASSERTION_LIFETIME_MS = 60_000;

const JOIN_TOKEN = /^gpj_[A-Za-z0-9_-]{22}\.([A-Za-z0-9_-]{43})$/;

/** The RFC 7638 thumbprint of the server's key that a join token carries; undefined if it is not a join token. */
export const fingerprintOf = (joinToken: string): string | undefined =>
  JOIN_TOKEN.exec(joinToken)?.[1];
