import type { Resource } from "../contract/resource.ts";
import type { LeasePort, Moment } from "./ports.ts";

interface Look {
  readonly at: Moment;
  readonly leases: LeasePort;
  readonly project: string;
  /** Who wants a lease. */
  readonly holder: string;
}

/** Those of the things on which a lease can be had now, in their order. */
export async function notBusy<T>(
  things: readonly T[],
  resourceOf: (thing: T) => Resource,
  { at, leases, project, holder }: Look,
): Promise<T[]> {
  if (things.length === 0) return [];
  const resources = things.map(resourceOf);
  const busy = new Set(
    (await leases.busy(at, { project, holder, resources })).map((one) => JSON.stringify(one)),
  );
  return things.filter((_, i) => !busy.has(JSON.stringify(resources[i])));
}
