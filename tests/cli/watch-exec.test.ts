import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { joinedCli, type TestCli } from "../support/cli.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let anna: TestCli;

beforeAll(async () => {
  server = await startTestServer();
  anna = await joinedCli(server, "anna");
  await anna.run("agent", "register", "blue");
});

afterAll(async () => {
  await anna.remove();
  await server.stop();
});

describe("the command of a watch", () => {
  it("is sent the signal that ends the watch, which waits for it and counts what it has done", async () => {
    await anna.run("send", "blue", "-s", "one");
    await anna.run("send", "blue", "-s", "two");
    const command = `
      trap 'echo end $GRIDPOST_MESSAGE_SUBJECT >> ran; exit 0' TERM
      echo begin $GRIDPOST_MESSAGE_SUBJECT >> ran
      [ "$GRIDPOST_MESSAGE_SUBJECT" != one ] || while :; do sleep 0.05; done`;
    const ran = () => readFile(join(anna.home, "ran"), "utf8").catch(() => "");
    const start = () => anna.start("watch", "--as", "blue", "--exec", command);
    const first = start();
    await expect.poll(ran).toBe("begin one\n");
    first.kill("SIGTERM");
    expect(await once(first, "close")).toEqual([null, "SIGTERM"]);
    expect(await ran()).toBe("begin one\nend one\n");

    const second = start();
    await expect.poll(ran).toBe("begin one\nend one\nbegin two\n");
    second.kill("SIGTERM");
    await once(second, "close");
  });
});
