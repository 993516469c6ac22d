import type { z } from "zod";
import { toTime } from "../contract/ids.ts";
import type { Lease } from "../contract/reservations.ts";
import type { Resource } from "../contract/resource.ts";
import { holderName } from "./rules.ts";
import type { LeaseRow } from "./store.ts";

/** A lease as the wire shows it. */
export const leaseView = (row: LeaseRow): z.input<typeof Lease> => ({
  id: row.id,
  project: row.project,
  holder: holderName(row.holder, row.project),
  fence: row.fence,
  mode: row.mode,
  state: row.state,
  resources: JSON.parse(row.resources) as Resource[],
  refs: row.refs === null ? null : (JSON.parse(row.refs) as string[]),
  session: row.session,
  reason: row.reason,
  thread: row.thread,
  grantedAt: toTime(row.granted_at),
  expiresAt: row.due === null ? null : toTime(row.due),
});
