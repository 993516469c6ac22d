import { ProblemError } from "../../contract/problem.ts";
import type { Query } from "../../storage/db.ts";
import { type AdminRow, serverAdmins } from "./access-store.ts";
import { isReserved, type OutsideIssuer } from "./outside-rules.ts";

/**
 * Whoever is to be an admin of the server no more must leave another one who can act.
 * @throws ProblemError CONFLICT
 */
export async function refuseLastAdmin(
  query: Query,
  issuers: readonly OutsideIssuer[],
  principal: string,
): Promise<void> {
  const able = (await serverAdmins(query)).filter((admin) => canAct(issuers, admin));
  if (able.length !== 1 || able[0]?.principal !== principal) return;
  throw new ProblemError("CONFLICT", `${principal} is the only admin of the server who can act`, {
    next: "make another user admin first, and let them join; if the key was stolen: gridpost server --new-admin-join",
  });
}

/** Users of an outside issuer act without a key, until they are revoked. */
const canAct = (
  issuers: readonly OutsideIssuer[],
  { principal, has_key, is_known }: AdminRow,
): boolean =>
  has_key === 1 || (is_known === 0 && isReserved(issuers, principal.slice("user:".length)));
