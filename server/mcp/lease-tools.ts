import { z } from "zod";
import type { LeaseId } from "../../contract/ids.ts";
import { ProblemError } from "../../contract/problem.ts";
import type { EndpointOutput } from "../../contract/endpoint.ts";
import type { LeaseConflict, reservations } from "../../contract/reservations.ts";
import {
  formatResource,
  MAX_RESOURCES,
  parseResource,
  type Resource,
} from "../../contract/resource.ts";
import { given } from "./mail-tools.ts";
import { type McpCall, toolsFor } from "./tool.ts";

type Lease = EndpointOutput<typeof reservations.lease>;

const tool = toolsFor<McpCall>();
/** Of each resource; the command line lists more. */
const HISTORY = 20;

const Reserve = z.strictObject({
  resources: z.array(z.string()).max(MAX_RESOURCES).optional(),
  repo: z.string().optional(),
  refs: z.array(z.string()).optional(),
  shared: z.boolean().optional(),
  ttlSeconds: z.int().min(1).max(604_800).optional(),
  reason: z.string().optional(),
  thread: z.string().optional(),
  partial: z.boolean().optional(),
  waitSeconds: z.int().min(1).max(300).optional(),
  dryRun: z.boolean().optional(),
  history: z.boolean().optional(),
  lease: z.string().optional(),
});
type Reserve = z.output<typeof Reserve>;

export const leaseTools = [
  tool({
    name: "reserve",
    description:
      "Lease file patterns (git globs from the repository root), model:NAME, gpu:NODE/UUID, slot:NAME. All or nothing, unless `partial`. `dryRun` only asks; `history`: who held them. `lease` instead of `resources` renews yours from now; with `shared` it changes its mode.",
    input: Reserve,
    run: (args, call) => {
      if (args.lease !== undefined) return renew(args, args.lease, call);
      const demand = demandOf(args, call);
      const params = { project: call.project };
      const { reservations } = call.client;
      if (args.history === true) return historyOf(demand.resources, call);
      if (args.dryRun === true) return reservations.check({ params, body: demand });
      const order = { ...demand, ...termsOf(args, call) };
      if (args.waitSeconds !== undefined) return waitFor(call, order, args.waitSeconds * 1_000);
      return reservations.acquire({ params, body: { ...order, partial: args.partial === true } });
    },
  }),
  tool({
    name: "release",
    description:
      "Release a lease of yours, or `all`; repeating it is harmless. `to` hands it to another agent instead. `force` takes another's away, where you may; it is the reason, which its holder is told.",
    input: z.strictObject({
      lease: z.string().optional(),
      all: z.boolean().optional(),
      to: z.string().optional(),
      force: z.string().optional(),
    }),
    run: async ({ lease, all, to, force }, call) => {
      const given = [all === true, to !== undefined, force !== undefined].filter(Boolean);
      if (given.length > 1 || (lease === undefined) !== (all === true))
        throw new ProblemError("BAD_REQUEST", "name one lease, or say all: true", {
          next: "give `lease`, with `to` or `force` where you mean that; resource://leases lists them",
        });
      const { reservations } = call.client;
      if (lease === undefined) return { released: await releaseAll(call) };
      const params = { project: call.project, lease: lease as LeaseId };
      if (to !== undefined) return reservations.transfer({ params, body: { to } });
      if (force !== undefined)
        return reservations.forceRelease({ params, body: { reason: force } });
      await reservations.release({ params });
      return { released: [lease] };
    },
  }),
];

function demandOf({ resources = [], repo, shared, refs }: Reserve, call: McpCall) {
  return {
    resources: resources.map((text): Resource => parseResource(text, repo ?? call.repo)),
    mode: shared === true ? ("shared" as const) : ("exclusive" as const),
    ...given({ refs }),
  };
}

const termsOf = ({ ttlSeconds, reason, thread }: Reserve, { leaseSession }: McpCall) =>
  given({ ttlMs: milliseconds(ttlSeconds), session: leaseSession ?? undefined, reason, thread });

const milliseconds = (seconds: number | undefined): number | undefined =>
  seconds === undefined ? undefined : seconds * 1_000;

/** Changes the mode of a lease where `shared` says so, and extends it from now. */
async function renew(
  { resources, shared, ttlSeconds }: Reserve,
  lease: string,
  { client: { reservations }, project }: McpCall,
): Promise<unknown> {
  if (resources !== undefined)
    throw new ProblemError("BAD_REQUEST", "a lease that is renewed covers what it covers", {
      next: "give `lease` to renew it, or `resources` for a new one",
    });
  const params = { project, lease: lease as LeaseId };
  if (shared !== undefined)
    await reservations.setMode({ params, body: { mode: shared ? "shared" : "exclusive" } });
  return reservations.renew({ params, body: given({ ttlMs: milliseconds(ttlSeconds) }) });
}

/** Who held what the resources cover, newest first, the same lease once for each of them. */
async function historyOf(
  resources: readonly Resource[],
  { client, project }: McpCall,
): Promise<unknown> {
  const history = [];
  // One after another: a call may not take the server for itself.
  for (const resource of resources) {
    const query = {
      resource: formatResource(resource),
      limit: HISTORY,
      ...(resource.kind === "file" ? { repo: resource.repo } : {}),
    };
    const { leases } = await client.reservations.history({ params: { project }, query });
    history.push({ resource: query.resource, leases });
  }
  return { history };
}

async function releaseAll(call: McpCall): Promise<string[]> {
  const ids = (await mine(call)).map(({ id }) => id);
  for (const lease of ids)
    await call.client.reservations.release({ params: { project: call.project, lease } });
  return ids;
}

type Order = Parameters<McpCall["client"]["reservations"]["enqueue"]>[0]["body"];

/** Queues and waits; a wait that runs out is the conflict that stood in the way. */
async function waitFor(
  { client, project }: Pick<McpCall, "client" | "project">,
  order: Omit<Order, "waitMs">,
  waitMs: number,
): Promise<unknown> {
  const params = { project };
  let ticket = await client.reservations.enqueue({ params, body: { ...order, waitMs } });
  while (ticket.lease === null) {
    const { conflicts } = ticket;
    ticket = await client.reservations
      .awaitTicket({ params: { ...params, ticket: ticket.id }, body: {} })
      .catch((error: unknown) => {
        // The server forgets a ticket as soon as its time is over.
        const gone = error instanceof ProblemError && error.code === "NOT_FOUND";
        throw gone ? ranOut(conflicts) : error;
      });
  }
  return ticket.lease;
}

const ranOut = (conflicts: readonly LeaseConflict[]): ProblemError =>
  new ProblemError("RESERVATION_CONFLICT", "the wait for the lease has run out", {
    details: conflicts.map((conflict) => ({ ...conflict })),
    next: conflicts[0]?.ask ?? "try again with a longer `waitSeconds`",
  });

/** All leases that the caller holds, or those of one kind. */
export async function mine(
  { client, project }: Pick<McpCall, "client" | "project">,
  kind?: Resource["kind"],
): Promise<Lease[]> {
  const leases: Lease[] = [];
  let after: string | undefined;
  do {
    const page = await client.reservations.leases({
      params: { project },
      query: { mine: "true", limit: 500, ...given({ after, kind }) },
    });
    leases.push(...page.leases);
    after = page.next ?? undefined;
  } while (after !== undefined);
  return leases;
}
