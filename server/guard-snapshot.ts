import { CompactSign } from "jose";
import type { GuardSnapshot } from "../contract/guard.ts";
import { TOKEN_ALGORITHM } from "../contract/token.ts";
import type { SigningKeys } from "./identity/signing-keys.ts";

/** Signs what may block a commit, so that a clone can trust its copy for a minute. */
export async function signSnapshot(keys: SigningKeys, snapshot: GuardSnapshot): Promise<string> {
  const { kid, key } = keys.current(snapshot.issuedAt);
  return new CompactSign(new TextEncoder().encode(JSON.stringify(snapshot)))
    .setProtectedHeader({ alg: TOKEN_ALGORITHM, typ: "gridpost-guard+jws", kid })
    .sign(key);
}
