import type { Resource } from "../../contract/resource.ts";
import { leasePort } from "../../reservations/lease-port.ts";
import { DEFAULT_LEASE_SETTINGS } from "../../reservations/settings.ts";
import type { Fleet } from "./fleet.ts";

/** An agent takes an exclusive lease; returns what gives it back. */
export async function lease(
  { log, db }: Fleet,
  resources: readonly Resource[],
  project = "default",
): Promise<() => Promise<void>> {
  const port = leasePort({ dialect: db.dialect, settings: DEFAULT_LEASE_SETTINGS });
  const agent = `agent:${project}/red`;
  const red = { project, holder: agent, actor: agent };
  const terms = { ttlMs: 3_600_000, reason: null, thread: null };
  const { id } = await log.tx([], (tx) => port.grant(tx, { ...red, ...terms, resources }));
  return () => log.tx([], async (tx) => void (await port.release(tx, { lease: id, actor: agent })));
}
