import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Client } from "../../contract/client.ts";
import { joinedCli, type TestCli } from "../support/cli.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

const SEED = 20_261_121;
const KILLS = 10;
/** The watch whose command kills it. */
const SELF_KILLED = 3;
/** A watch that is killed at any moment of its start lives for less than this. */
const START_MS = 600;
/** A watch that is killed at work has handled at most so many messages, and a part of the next. */
const MOST_HANDLED = 6;
const HANDLING_MS = 20;
const params = { project: "default" };

/** One run of the command: by which watch, for which message. */
interface Ran {
  readonly watch: number;
  readonly seq: number;
}

/** Numbers in [0, 1) that are the same in each run of the test. */
function* random(seed: number): Generator<number, never> {
  for (let state = seed; ;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state / 2 ** 32;
  }
}

describe("gridpost watch --exec that is killed again and again", () => {
  let server: TestServer;
  let cli: TestCli;
  let red: Client;
  beforeAll(async () => {
    server = await startTestServer();
    cli = await joinedCli(server, "anna");
    await cli.run("agent", "register", "blue");
    red = await server.admin.asAgent("red");
  });
  afterAll(async () => {
    await cli.remove();
    await server.stop();
  });

  /** One command kills its own watch: at a moment when the message is handled and the cursor not yet moved. */
  const command = (watch: number): string =>
    `echo "${watch} $GRIDPOST_MESSAGE_SEQ" >> ran; cat > /dev/null; ${watch === SELF_KILLED ? "kill -9 $PPID" : "true"}`;
  const start = (watch: number) => cli.start("watch", "--as", "blue", "--exec", command(watch));

  async function ran(): Promise<Ran[]> {
    const text = await readFile(join(cli.home, "ran"), "utf8").catch(() => "");
    return text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => line.split(" ").map(Number))
      .map(([watch = 0, seq = 0]) => ({ watch, seq }));
  }

  /** Sends until it is told to stop; answers how many. */
  async function sendUntil(stopped: () => boolean): Promise<number> {
    for (let sent = 0; ; sent += 1) {
      if (stopped()) return sent;
      await red.mailbox.send({ params, body: { to: ["blue"], subject: `letter ${sent}` } });
      await sleep(25);
    }
  }

  /** Kills one watch while it starts, the next while it works, and so on. */
  async function killAgainAndAgain(): Promise<void> {
    const chance = random(SEED);
    for (let watch = 1; watch <= KILLS; watch += 1) {
      const watching = start(watch);
      const ended = once(watching, "close");
      if (watch % 2 === 0) await sleep(chance.next().value * START_MS);
      else await handled(watch, 1 + Math.floor(chance.next().value * MOST_HANDLED));
      await sleep(chance.next().value * HANDLING_MS);
      if (watch !== SELF_KILLED) watching.kill("SIGKILL");
      await ended;
    }
  }

  /** Waits until a watch has run its command so often. */
  async function handled(watch: number, times: number): Promise<void> {
    const enough = watch === SELF_KILLED ? 1 : times;
    while ((await ran()).filter((one) => one.watch === watch).length < enough) await sleep(3);
  }

  it("runs its command for every message at least once and in order", async () => {
    let killed = false;
    const sending = sendUntil(() => killed);
    await killAgainAndAgain();
    killed = true;
    const sent = await sending;
    const last = start(KILLS + 1);
    await expect.poll(async () => (await ran()).at(-1)?.seq).toBe(sent);
    last.kill("SIGTERM");
    await once(last, "close");

    const all = await ran();
    let before: Ran = { watch: 0, seq: 0 };
    for (const one of all) {
      // After a restart the message that was being handled comes again, and none before it; then one after another.
      const again = one.watch > before.watch && one.seq === before.seq;
      if (!again) expect(one, `seed ${SEED}`).toMatchObject({ seq: before.seq + 1 });
      before = one;
    }
    // One of the kills came between a command and the move of the cursor, or the test shows nothing.
    expect(all.length).toBeGreaterThan(sent);
  });
});
