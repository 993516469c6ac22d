import { randomUUID } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Client, createClient } from "../../contract/client.ts";
import { ProblemError } from "../../contract/problem.ts";
import { systemClock } from "../../runtime/clock.ts";
import { expectReplayEqual, joinAs } from "../support/server.ts";
import { type ServerProcess, spawnServer } from "../support/server-process.ts";

const params = { project: "default" };
const RETRY_MS = 50;
/** Recipients of agent `i`'s `n`-th letter: these many places further on. */
const STEPS = [1, 3, 7];

interface Letter {
  readonly from: string;
  readonly n: number;
  readonly to: readonly string[];
  readonly key: string;
  id: string;
}

/** What one agent found in its inbox while it followed its cursor. */
interface Seen {
  readonly seq: number;
  readonly id: string;
  readonly subject: string;
}

/** How much is sent; the server is killed when a third and two thirds of it are acknowledged. */
export interface MailCrashSize {
  readonly agents: number;
  readonly letters: number;
}

/** Many agents write to each other and read while their server is killed and started again. */
export function describeMailCrash(size: MailCrashSize): void {
  describe(`mail of ${size.agents} agents x ${size.letters} letters over two kills`, () => {
    const fleet = new Fleet(size);
    beforeAll(() => fleet.start());
    afterAll(() => fleet.remove());

    it("is in every recipient's inbox exactly once, in one order, without gaps", async () => {
      const inboxes = await fleet.run();
      expectExactlyOnce(fleet.letters, inboxes);
      expectOneOrder([...inboxes.values()]);
      // The kills hit calls under way, or the test shows nothing.
      expect(fleet.inDoubt).toBeGreaterThan(0);
    });

    it("is not sent again when its sender repeats it with its key", async () => {
      for (const letter of fleet.letters.filter((_, i) => i % 7 === 0))
        expect((await fleet.send(letter)).id).toBe(letter.id);
      for (const [name, count] of expectedCounts(fleet.letters)) {
        const { next } = await fleet.client(name).mailbox.inbox({ params });
        expect(next, name).toBe(count);
      }
    });

    it("is what a replay of the log gives", async () => {
      await fleet.stop();
      await expectReplayEqual(fleet.database);
    });
  });
}

class Fleet {
  readonly names: readonly string[];
  readonly letters: Letter[];
  inDoubt = 0;
  private acknowledged = 0;
  private data = "";
  private server!: ServerProcess;
  private readonly tokens = new Map<string, string>();

  constructor({ agents, letters }: MailCrashSize) {
    this.names = Array.from({ length: agents }, (_, i) => `agent-${i}`);
    this.letters = this.names.flatMap((from, i) =>
      Array.from({ length: letters }, (_, n) => {
        const places = new Set(STEPS.map((step) => (i + step * (n + 1)) % agents));
        const to = [...places].map((place) => `agent-${place}`);
        return { from, n, to, key: randomUUID(), id: "" };
      }),
    );
  }

  get database(): string {
    return join(this.data, "gridpost.db");
  }

  async start(): Promise<void> {
    this.data = await mkdtemp(join(tmpdir(), "gridpost-mail-crash-"));
    this.server = await spawnServer(this.data);
    const token = (await readFile(join(this.data, "admin.join"), "utf8")).trim();
    const anna = await joinAs({ url: this.server.url, clock: systemClock, token, name: "anna" });
    for (const name of this.names) {
      await anna.asAgent(name);
      this.tokens.set(name, await anna.agentToken(name));
    }
  }

  /** Sends and reads everything, over two kills; answers what every agent saw. */
  async run(): Promise<Map<string, readonly Seen[]>> {
    const expected = expectedCounts(this.letters);
    const reading = this.names.map(
      async (name) => [name, await this.follow(name, expected.get(name) ?? 0)] as const,
    );
    const sending = this.names.map((name) => this.sendAll(name));
    const [inboxes] = await Promise.all([Promise.all(reading), this.killTwice(), ...sending]);
    return new Map(inboxes);
  }

  /** A client at the address of the server as it runs now. */
  client(name: string): Client {
    const token = this.tokens.get(name) ?? "";
    return createClient({ url: this.server.url, token: () => Promise.resolve(token) });
  }

  send({ from, n, to, key }: Letter): Promise<{ id: string }> {
    const body = { to: [...to], subject: `${from} ${n}` };
    return this.client(from).mailbox.send({ params, body }, { idempotencyKey: key });
  }

  async stop(): Promise<void> {
    expect(await this.server.end("SIGTERM")).toBe(0);
  }

  async remove(): Promise<void> {
    await this.server.end("SIGKILL");
    await rm(this.data, { recursive: true, force: true });
  }

  private async sendAll(name: string): Promise<void> {
    for (const letter of this.letters.filter(({ from }) => from === name)) {
      while (letter.id === "") {
        try {
          letter.id = (await this.send(letter)).id;
        } catch (error) {
          refuseRefusals(error);
          this.inDoubt += 1;
          await sleep(RETRY_MS);
        }
      }
      this.acknowledged += 1;
    }
  }

  private async follow(name: string, count: number): Promise<Seen[]> {
    const seen: Seen[] = [];
    for (let after = 0; after < count;) {
      try {
        const { mailbox } = this.client(name);
        const page = await mailbox.inbox({ params, query: { after, limit: 50, wait: 2_000 } });
        seen.push(...page.messages.map(({ seq, id, subject }) => ({ seq, id, subject })));
        after = page.next;
      } catch (error) {
        refuseRefusals(error);
        await sleep(RETRY_MS);
      }
    }
    return seen;
  }

  private async killTwice(): Promise<void> {
    for (const share of [1 / 3, 2 / 3]) {
      while (this.acknowledged < this.letters.length * share) await sleep(5);
      await this.server.end("SIGKILL");
      this.server = await spawnServer(this.data);
    }
  }
}

/** What the server says no to is a fault of the test or the server; that it is away is not. */
function refuseRefusals(error: unknown): void {
  if (error instanceof ProblemError && error.code !== "UNAVAILABLE") throw error;
}

function expectedCounts(letters: readonly Letter[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of letters.flatMap(({ to }) => to)) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

function expectExactlyOnce(
  letters: readonly Letter[],
  inboxes: ReadonlyMap<string, readonly Seen[]>,
): void {
  for (const [name, seen] of inboxes) {
    expect(seen.map(({ seq }) => seq)).toEqual(seen.map((_, i) => i + 1));
    const mine = letters.filter(({ to }) => to.includes(name));
    expect(seen.map(({ id }) => id).toSorted()).toEqual(mine.map(({ id }) => id).toSorted());
    // Each sender waited for an answer before its next letter.
    for (const sender of new Set(mine.map(({ from }) => from))) {
      const sent = mine.filter(({ from }) => from === sender).map(({ n }) => `${sender} ${n}`);
      const got = seen.map(({ subject }) => subject).filter((one) => one.startsWith(`${sender} `));
      expect(got).toEqual(sent);
    }
  }
}

/** Whatever two agents both got, they got in the same order. */
function expectOneOrder(inboxes: readonly (readonly Seen[])[]): void {
  const places = inboxes.map((seen) => new Map(seen.map(({ id, seq }) => [id, seq])));
  for (const mine of inboxes)
    for (const others of places) {
      const common = mine.flatMap(({ id }) => others.get(id) ?? []);
      expect(common).toEqual(common.toSorted((a, b) => a - b));
    }
}
