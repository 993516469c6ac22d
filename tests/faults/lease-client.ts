// One process of the lease fight: many clients of one agent each, killed at any moment. Writes a line of JSON to stdout
// for each thing that it knows to be so.
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { type Client, createClient } from "../../contract/client.ts";
import { newId } from "../../contract/ids.ts";
import { ProblemError } from "../../contract/problem.ts";

interface Start {
  readonly url: string;
  readonly patterns: readonly string[];
  /** Agents with their access tokens. */
  readonly clients: readonly { readonly name: string; readonly token: string }[];
  readonly untilMs: number;
}

const params = { project: "default" };
const TTL_MS = 1_000;
const HOLD_MS = 150;
/** Longer than the fight: nobody gives up. */
const WAIT_MS = 600_000;
/** How many of the holders never release. */
const FORGETS = 0.6;

const say = (line: Record<string, unknown>): void => {
  process.stdout.write(`${JSON.stringify({ at: Date.now(), ...line })}\n`);
};

/** Repeats a call while the server is restarting. */
async function patiently<T>(until: number, call: () => Promise<T>): Promise<T | undefined> {
  while (Date.now() < until) {
    try {
      return await call();
    } catch (error) {
      if (error instanceof ProblemError && error.status < 500) throw error;
      await sleep(100);
    }
  }
  return undefined;
}

async function oneRound(client: Client, name: string, { patterns, untilMs }: Start): Promise<void> {
  const pattern = patterns[Math.floor(Math.random() * patterns.length)] ?? "a";
  const key = newId();
  const body = {
    resources: [{ kind: "file" as const, repo: "app", pattern }],
    ttlMs: TTL_MS,
    waitMs: WAIT_MS,
  };
  let ticket = await patiently(untilMs, () =>
    client.reservations.enqueue({ params, body }, { idempotencyKey: key, timeoutMs: 30_000 }),
  );
  if (ticket?.lease === null) say({ what: "queued", name, pattern, ticket: ticket.id });
  while (ticket !== undefined && ticket.lease === null) {
    const { id } = ticket;
    ticket = await patiently(untilMs, () =>
      client.reservations.awaitTicket(
        { params: { ...params, ticket: id }, body: { ms: 10_000 } },
        { timeoutMs: 30_000 },
      ),
    );
  }
  const lease = ticket?.lease;
  if (ticket === undefined || lease === null || lease === undefined) return;
  say({
    what: "granted",
    name,
    ticket: ticket.id,
    lease: lease.id,
    fence: lease.fence,
  });
  await sleep(Math.random() * HOLD_MS);
  // Some holders forget their lease: it expires.
  if (Math.random() < FORGETS) return say({ what: "forgotten", name, lease: lease.id });
  await patiently(untilMs, () =>
    client.reservations.release({ params: { ...params, lease: lease.id } }),
  );
}

async function fight(start: Start): Promise<void> {
  await Promise.all(
    start.clients.map(async ({ name, token }) => {
      const client = createClient({ url: start.url, token: () => Promise.resolve(token) });
      while (Date.now() < start.untilMs) {
        await oneRound(client, name, start).catch((error: unknown) => {
          const code = error instanceof ProblemError ? error.code : String(error);
          say({ what: "refused", name, code });
        });
      }
    }),
  );
}

say({ what: "ready" });
await fight(JSON.parse(await text(process.stdin)) as Start);
