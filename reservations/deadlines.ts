import type { Resource } from "../contract/resource.ts";
import type { DeadlineKinds } from "../storage/deadlines.ts";
import type { LogTx } from "../storage/log.ts";
import { isHeld } from "./rules.ts";
import { type LeaseSettings, lockDelayOf } from "./settings.ts";
import { leaseById } from "./store.ts";

/** What ends leases when their time is up. Expiry waits for the end of a freeze: silence may be the server's own. */
export const reservationsDeadlines = ({
  settings,
}: {
  readonly settings: LeaseSettings;
}): DeadlineKinds => ({
  "lease.expire": { freezable: true, fire: (tx, id) => expire(tx, id, settings) },
  // The row itself is what locks the resource; nothing else is left to do when it goes.
  "lease.unlock": { fire: () => Promise.resolve() },
});

async function expire(tx: LogTx, id: string, settings: LeaseSettings): Promise<void> {
  const lease = await leaseById(tx.query, id);
  if (lease === undefined || !isHeld(lease.state)) return;
  await tx.append({
    type: "lease.expired",
    project: lease.project,
    actor: "server",
    body: { id },
  });
  const delay = lockDelayOf(JSON.parse(lease.resources) as Resource[], settings);
  if (delay > 0) await tx.setDeadline("lease.unlock", id, tx.now + delay);
}
