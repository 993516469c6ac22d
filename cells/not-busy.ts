import type { Resource } from "../contract/resource.ts";
import type { RunPage } from "./claim-store.ts";
import type { LeasePort, Moment } from "./ports.ts";

interface Look {
  readonly at: Moment;
  readonly leases: LeasePort;
  readonly project: string;
  /** Who wants a lease. */
  readonly holder: string;
}

/** About so many runs under leases are passed over in one claim. */
const MAX_PASSED = 2_000;

/** The first of the runs on which a lease can be had now. */
export async function firstFree(
  pages: AsyncIterable<RunPage>,
  look: Look,
): Promise<string | undefined> {
  let passed = 0;
  for await (const page of pages) {
    const [free] = await notBusy(page, ({ id }) => ({ kind: "cell", run: id }), look);
    if (free !== undefined) return free.id;
    passed += page.length;
    if (passed >= MAX_PASSED) return undefined;
  }
  return undefined;
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
