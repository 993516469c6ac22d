import type { Answer } from "./api.ts";
import { record, type View } from "./view.ts";

type Revoked =
  | Answer<"POST /v1/tokens/:id/revoke">
  | Answer<"POST /v1/principals/:principal/revoke">;

export const revokedView = (revoked: Revoked): View =>
  record([["revoked", "id" in revoked ? revoked.id : revoked.principal]]);
