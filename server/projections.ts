import { archiveProjection } from "../archive/projection.ts";
import { cellsProjection } from "../cells/projection.ts";
import { mailboxProjection } from "../mailbox/projection.ts";
import { reservationsProjection } from "../reservations/projection.ts";
import type { Projection } from "../storage/log.ts";
import { crossDomainProjection } from "./cross-domain.ts";
import { auditProjection } from "./identity/audit.ts";
import { identityProjection } from "./identity/projection.ts";

/** The projections of all domains: what a replay of the log builds. */
export const projections: readonly Projection[] = [
  identityProjection,
  auditProjection,
  mailboxProjection,
  reservationsProjection,
  cellsProjection,
  archiveProjection,
  crossDomainProjection,
];
