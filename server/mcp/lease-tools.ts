import { z } from "zod";
import { ProblemError } from "../../contract/problem.ts";
import { parseResource, type Resource } from "../../contract/resource.ts";
import { given } from "./mail-tools.ts";
import { type McpCall, toolsFor } from "./tool.ts";

const tool = toolsFor<McpCall>();

export const leaseTools = [
  tool({
    name: "reserve",
    description:
      "Lease file patterns (git globs from the repository root), model:NAME, gpu:NODE/UUID or slot:NAME before you change them. All or nothing. `dryRun` only asks.",
    input: z.strictObject({
      resources: z.array(z.string()).min(1),
      repo: z.string().optional(),
      shared: z.boolean().optional(),
      ttlSeconds: z.int().min(1).max(604_800).optional(),
      reason: z.string().optional(),
      thread: z.string().optional(),
      partial: z.boolean().optional(),
      dryRun: z.boolean().optional(),
      waitSeconds: z.int().min(1).max(300).optional(),
    }),
    run: async (args, call) => {
      const { client, project, leaseSession } = call;
      const demand = {
        resources: args.resources.map((text): Resource =>
          parseResource(text, args.repo ?? "default"),
        ),
        mode: args.shared === true ? ("shared" as const) : ("exclusive" as const),
      };
      if (args.dryRun === true)
        return client.reservations.check({ params: { project }, body: demand });
      const order = {
        ...demand,
        ...given({
          ttlMs: args.ttlSeconds === undefined ? undefined : args.ttlSeconds * 1_000,
          session: leaseSession ?? undefined,
          reason: args.reason,
          thread: args.thread,
        }),
      };
      if (args.waitSeconds !== undefined) return waitFor(call, order, args.waitSeconds * 1_000);
      return client.reservations.acquire({
        params: { project },
        body: { ...order, partial: args.partial === true },
      });
    },
  }),
  tool({
    name: "release",
    description: "Release a lease of yours by id, or all of them. Repeating it is harmless.",
    input: z.strictObject({ lease: z.string().optional(), all: z.boolean().optional() }),
    run: async ({ lease, all }, { client, project }) => {
      if ((lease === undefined) === (all !== true))
        throw new ProblemError("BAD_REQUEST", "name one lease, or say all: true", {
          next: "gridpost leases --mine lists them",
        });
      const ids = lease === undefined ? await mine({ client, project }) : [lease];
      for (const id of ids)
        await client.reservations.release({ params: { project, lease: id as never } });
      return { released: ids };
    },
  }),
];

type Order = Parameters<McpCall["client"]["reservations"]["enqueue"]>[0]["body"];

/** Queues and waits; a wait that runs out is the conflict that stood in the way. */
async function waitFor(
  { client, project }: Pick<McpCall, "client" | "project">,
  order: Omit<Order, "waitMs">,
  waitMs: number,
): Promise<unknown> {
  const params = { project };
  let ticket = await client.reservations.enqueue({ params, body: { ...order, waitMs } });
  while (ticket.lease === null)
    ticket = await client.reservations.awaitTicket({
      params: { ...params, ticket: ticket.id },
      body: {},
    });
  return ticket.lease;
}

/** The ids of all leases that the caller holds. */
export async function mine({
  client,
  project,
}: Pick<McpCall, "client" | "project">): Promise<string[]> {
  const ids: string[] = [];
  let after: string | undefined;
  do {
    const page = await client.reservations.leases({
      params: { project },
      query: { mine: "true", limit: 500, ...given({ after }) },
    });
    ids.push(...page.leases.map(({ id }) => id));
    after = page.next ?? undefined;
  } while (after !== undefined);
  return ids;
}
