import type { Apply, Projection } from "../../storage/log.ts";
import { IDENTITY_EVENTS } from "./projection.ts";

/** Acts beyond identity's own that auditors ask for. */
const OTHER_ACTS = [
  "access.denied",
  "access.denials_counted",
  "node.drained",
  "node.resumed",
  "lease.force_released",
  "guard.bypassed",
  "event.redacted",
] as const;

/** Kept out of the audit: hashes and keys that say nothing to a reader. */
const HIDDEN = new Set(["hash", "jwk"]);

const record: Apply = async (query, { id, at, actor, type, project, body }) => {
  const details = Object.entries(body as object).filter(([key]) => !HIDDEN.has(key));
  await query(
    "insert into p_audit (id, at, actor, type, project, details) values ($1, $2, $3, $4, $5, $6)",
    [id, at, actor, type, project, JSON.stringify(Object.fromEntries(details))],
  );
};

/** The list of administrative acts and denials. */
export const auditProjection: Projection = {
  name: "audit",
  tables: ["p_audit"],
  apply: Object.fromEntries([...IDENTITY_EVENTS, ...OTHER_ACTS].map((type) => [type, record])),
};
