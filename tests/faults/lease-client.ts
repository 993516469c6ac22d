// One process of the lease fight: many clients of one agent each, killed at any moment. Writes a line of JSON to stdout
// for each thing that it knows to be so. Speaks plain HTTP, so that a new process costs the machine little.
import { randomUUID } from "node:crypto";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";

interface Start {
  readonly url: string;
  readonly patterns: readonly string[];
  /** Agents with their access tokens. */
  readonly clients: readonly { readonly name: string; readonly token: string }[];
  readonly untilMs: number;
}

interface Ticket {
  readonly id: string;
  readonly lease: { readonly id: string; readonly fence: number } | null;
}

const TTL_MS = 1_000;
const HOLD_MS = 150;
/** Longer than the fight: nobody gives up. */
const WAIT_MS = 600_000;
/** How many of the holders never release. */
const FORGETS = 0.6;

const say = (line: Record<string, unknown>): void => {
  process.stdout.write(`${JSON.stringify({ at: Date.now(), ...line })}\n`);
};

class Refused extends Error {}

type Post = (path: string, body: object) => Promise<Ticket>;

/** Repeats each call, with its key, for as long as the server is restarting. @throws Refused */
function poster({ url, untilMs }: Start, token: string): Post {
  return async (path, body) => {
    const key = randomUUID();
    for (;;) {
      const answer = await fetch(`${url}/v1/projects/default/${path}`, {
        method: "POST",
        headers: {
          authorization: `Bearer ${token}`,
          "content-type": "application/json",
          ...(path.endsWith("/wait") ? {} : { "idempotency-key": key }),
        },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(30_000),
      }).catch(() => undefined);
      const said = (await answer?.json().catch(() => undefined)) as
        | (Ticket & { readonly code?: string })
        | undefined;
      if (answer?.ok && said !== undefined) return said;
      if (answer !== undefined && answer.status < 500) throw new Refused(said?.code);
      if (Date.now() > untilMs) throw new Refused("the fight is over");
      // All of them together must not keep the server from starting.
      await sleep(500 + Math.random() * 1_000);
    }
  };
}

async function oneRound(post: Post, name: string, { patterns }: Start): Promise<void> {
  const pattern = patterns[Math.floor(Math.random() * patterns.length)] ?? "a";
  const resources = [{ kind: "file", repo: "app", pattern }];
  let ticket = await post("lease-tickets", { resources, ttlMs: TTL_MS, waitMs: WAIT_MS });
  if (ticket.lease === null) say({ what: "queued", name, pattern, ticket: ticket.id });
  while (ticket.lease === null)
    ticket = await post(`lease-tickets/${ticket.id}/wait`, { ms: 10_000 });
  const { lease } = ticket;
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
  await post(`leases/${lease.id}/release`, {});
}

async function fight(start: Start): Promise<void> {
  await Promise.all(
    start.clients.map(async ({ name, token }) => {
      const post = poster(start, token);
      while (Date.now() < start.untilMs) {
        await oneRound(post, name, start).catch(async (error: unknown) => {
          say({ what: "refused", name, code: error instanceof Error ? error.message : "" });
          await sleep(100);
        });
      }
    }),
  );
}

say({ what: "ready" });
await fight(JSON.parse(await text(process.stdin)) as Start);
