import { ProblemError } from "../contract/problem-error.ts";
import type { Answer, Api, Request } from "./api.ts";
import { patiently } from "./patience.ts";

type Order = Request<"POST /v1/projects/:project/leases">["body"];
type Granted = Answer<"POST /v1/projects/:project/leases">;
type Ticket = Answer<"POST /v1/projects/:project/lease-tickets">;
type Conflict = Ticket["conflicts"][number];

export interface Wanted {
  readonly api: Api;
  readonly project: string;
  readonly order: Order;
  /** Idempotency key of the whole command. */
  readonly key: string;
  /** How long to queue, in milliseconds; undefined: not at all. */
  readonly waitMs: number | undefined;
  readonly partial?: true;
  /** Tells people on stderr whom the command waits for. */
  readonly note: (line: string) => void;
}

/** Takes the lease, at once or after queueing. @throws ProblemError RESERVATION_CONFLICT, WAIT_CYCLE */
export async function acquireLease(
  wanted: Wanted,
): Promise<Granted | NonNullable<Ticket["lease"]>> {
  const { api, project, order, key: idempotencyKey, waitMs, partial } = wanted;
  if (waitMs !== undefined) return queueFor({ ...wanted, waitMs });
  const body = { ...order, ...(partial ? { partial } : {}) };
  return api(
    "POST /v1/projects/:project/leases",
    { params: { project }, body },
    { idempotencyKey },
  );
}

const POLL_MS = 20_000;
/** A place in the queue is kept for 30 s after the last call about it. */
const PATIENCE_MS = 25_000;

async function queueFor(wanted: Wanted & { readonly waitMs: number }) {
  const { api, project, order, key: idempotencyKey, waitMs } = wanted;
  let ticket = await api(
    "POST /v1/projects/:project/lease-tickets",
    { params: { project }, body: { ...order, waitMs } },
    { idempotencyKey },
  );
  const params = { project, ticket: ticket.id };
  const leave = (): void => {
    void api("DELETE /v1/projects/:project/lease-tickets/:ticket", { params }).finally(() =>
      process.exit(130),
    );
  };
  process.once("SIGINT", leave);
  try {
    for (let told = false; ticket.lease === null; told = true) {
      if (!told) tellQueue(ticket.conflicts, wanted.note);
      const { conflicts } = ticket;
      ticket = await patiently(PATIENCE_MS, () =>
        api(
          "POST /v1/projects/:project/lease-tickets/:ticket/wait",
          { params, body: { ms: POLL_MS } },
          { unkeyed: true, timeoutMs: POLL_MS + 30_000 },
        ),
      ).catch((error: unknown) => {
        throw isGone(error) ? ranOut(conflicts) : error;
      });
    }
    return ticket.lease;
  } finally {
    process.off("SIGINT", leave);
  }
}

/** The server forgets a ticket whose time is over, or that nobody has asked about for too long. */
const isGone = (error: unknown): boolean => error instanceof ProblemError && error.status === 404;

const ranOut = (conflicts: readonly Conflict[]): ProblemError =>
  new ProblemError("RESERVATION_CONFLICT", "the wait for the lease has run out", {
    details: conflicts.map((conflict) => ({ ...conflict })),
    next: conflicts[0]?.ask ?? "try again with a longer --wait",
  });

function tellQueue(conflicts: readonly Conflict[], note: (line: string) => void): void {
  for (const { holder, held, expiresAt, queue } of conflicts)
    note(
      `waiting for ${holder}, who holds ${held}${expiresAt === null ? "" : ` until ${expiresAt}`} (${queue} waiting)`,
    );
}

/** @throws ProblemError RESERVATION_CONFLICT, as taking the lease would be refused */
export async function checkFree(api: Api, project: string, order: Order): Promise<void> {
  const { resources, mode, refs } = order;
  const { free, conflicts } = await api(
    "POST /v1/projects/:project/leases/check",
    {
      params: { project },
      body: {
        resources,
        ...(mode === undefined ? {} : { mode }),
        ...(refs === undefined ? {} : { refs }),
      },
    },
    { unkeyed: true },
  );
  if (free) return;
  const [first] = conflicts;
  throw new ProblemError(
    "RESERVATION_CONFLICT",
    `not free: ${first?.holder} holds ${first?.held}`,
    {
      details: conflicts.map((conflict) => ({ ...conflict })),
      ...(first === undefined ? {} : { next: first.wait }),
    },
  );
}
