import type { z } from "zod";
import type { contract } from "../contract/index.ts";
import { ProblemError } from "../contract/problem.ts";
import { mayPass } from "./calls.ts";
import { obstacle, refusal } from "./capacity.ts";
import type { Gpus } from "./inventory/gpus.ts";
import type { Node } from "./node.ts";
import { backoff, jitter, sleep } from "./timers.ts";

/** Where the spool keeps what this node joined as. */
export const NAME = "name";

/** Until the server has said how often. */
const FIRST_BEAT_MS = 15_000;
/** A beat waits so long for the engine's answer. */
const LOOK_MS = 2_000;
/** A beat that takes longer is worth less than the next one. */
const CALL_MS = 10_000;

type BeatReply = z.output<typeof contract.nodes.beat.response>;

export interface HeartbeatOptions {
  readonly node: Node;
  readonly bootId: string;
  /** Describes the machine as it is now. */
  readonly survey: () => Promise<Node["inventory"]>;
  readonly gpus: Pick<Gpus, "all">;
}

/**
 * Registers, then beats: one call for all sessions, which renews their leases and answers with what must stop. Goes on
 * for as long as the daemon lives, whatever else does not work.
 */
export async function heartbeatLoop(options: HeartbeatOptions): Promise<void> {
  const { node } = options;
  let beatMs = FIRST_BEAT_MS;
  let registered: string | null = null;
  let failures = 0;
  let said: string | null = null;
  while (!node.detach.aborted) {
    try {
      await look(node);
      const changing = JSON.stringify([node.engines.runtimes(), options.gpus.all]);
      if (registered !== changing) {
        beatMs = await register(options);
        registered = changing;
      }
      beatMs = await beat(node);
      failures = 0;
      said = sayRefusal(node, said);
    } catch (error) {
      failures += 1;
      if (!mayPass(error)) registered = null;
      report(node, error, failures);
    }
    // Sooner than the next beat at first, so that a short break costs no beat.
    const pause = failures === 0 ? jitter(beatMs, 0.2) : Math.min(backoff(failures) + 500, beatMs);
    await node.wakeBeat.wait(pause, node.detach);
  }
}

/** An engine that hangs holds up no beat: until it has answered, the node is as it was when it last did. */
async function look({ engines, disk, detach }: Node): Promise<void> {
  await disk.look();
  const patience = new AbortController();
  const looked = engines.look().finally(() => patience.abort());
  await Promise.race([looked, sleep(LOOK_MS, detach, patience.signal)]);
}

function report({ log, detach }: Node, error: unknown, failures: number): void {
  if (detach.aborted) return;
  const next = error instanceof ProblemError ? error.next : undefined;
  const message = error instanceof Error ? error.message : String(error);
  log[failures === 1 ? "warn" : "debug"]({ error: message, next }, "no contact with the server");
}

async function register({ node, bootId, survey }: HeartbeatOptions): Promise<number> {
  node.inventory = await survey();
  const body = { inventory: node.inventory, installId: node.spool.installId, bootId };
  const {
    node: name,
    beatMs,
    draining,
    serverTime,
  } = await node.server.client.nodes.register(
    { body },
    { timeoutMs: CALL_MS, signal: node.detach },
  );
  node.contact.draining = draining;
  node.contact.skewMs = Date.parse(serverTime) - node.clock.now();
  takeName(node, name);
  node.log.info({ node: name, server: node.server.url, beatMs }, "registered");
  return beatMs;
}

/** A key joins under one name: another one that the daemon is told later, or its host's new one, changes nothing. */
function takeName(node: Node, name: string): void {
  if (name !== node.options.name)
    node.log.warn(
      { joined: name, told: node.options.name },
      "this node keeps the name it joined under",
    );
  if (name === node.name) return;
  node.name = name;
  node.spool.setMeta(NAME, name);
}

async function beat(node: Node): Promise<number> {
  const { contact, clock, engines, spool, server, wakeClaims } = node;
  const problem = obstacle(node);
  // Taken before the call leaves: the server's count begins no earlier.
  const sentAt = clock.monotonic();
  const sentWall = clock.now();
  const reply = await server.client.nodes.beat(
    {
      body: {
        installId: spool.installId,
        ready: problem === null,
        reason: problem?.slice(0, 500) ?? null,
        sessions: spool.sessions().map(({ id }) => id),
        images: engines.images,
      },
    },
    { timeoutMs: CALL_MS, signal: node.detach },
  );
  const refused = refusal(node);
  contact.acknowledge(sentAt);
  contact.draining = reply.draining;
  contact.skewMs = Date.parse(reply.serverTime) - (sentWall + clock.now()) / 2;
  obey(node, reply);
  if (refused !== null && refusal(node) === null) wakeClaims.wake();
  return reply.beatMs;
}

/** Says why no work is taken when that has changed since it was last said; returns what is said now. */
function sayRefusal(node: Node, said: string | null): string | null {
  const now = refusal(node);
  if (now !== null && now !== said) node.log.warn({ why: now }, "this node takes no work");
  return now;
}

function obey({ stops, spool, log }: Node, reply: BeatReply): void {
  for (const { attempt, why } of reply.stop) {
    log.warn({ attempt, why }, "the server ends an attempt");
    stops.request(
      attempt,
      why === "cancelled"
        ? { outcome: "cancelled", message: "its run was cancelled" }
        : { outcome: "invalid", message: "its lease was lost" },
    );
  }
  for (const session of reply.lost) {
    for (const { id } of spool.attempts(session))
      stops.request(id, { outcome: "invalid", message: "the server no longer knows its session" });
  }
}
