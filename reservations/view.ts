import type { z } from "zod";
import { toTime } from "../contract/ids.ts";
import type { Lease } from "../contract/reservations.ts";
import { refsOf } from "./rivals.ts";
import { holderName } from "./rules.ts";
import { type LeaseRow, resourcesOf } from "./store.ts";

/** A lease as the wire shows it. */
export function leaseView(row: LeaseRow): z.input<typeof Lease> {
  const refs = refsOf(row);
  return {
    id: row.id,
    project: row.project,
    holder: holderName(row.holder, row.project),
    fence: row.fence,
    mode: row.mode,
    state: row.state,
    resources: resourcesOf(row),
    refs: refs === null ? null : [...refs],
    session: row.session,
    reason: row.reason,
    thread: row.thread,
    grantedAt: toTime(row.granted_at),
    expiresAt: row.due === null ? null : toTime(row.due),
  };
}
