import { afterAll, beforeAll, expect, it } from "vitest";
import { joinedCli, type TestCli } from "../support/cli.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let cli: TestCli;

beforeAll(async () => {
  server = await startTestServer();
  cli = await joinedCli(server, "anna");
  await cli.run("agent", "register", "blue");
});

afterAll(async () => {
  await cli.remove();
  await server.stop();
});

/** Writes the address of every module that is loaded to stderr. */
const HOOKS = `
import { writeSync } from "node:fs";
export async function load(url, context, next) { writeSync(2, url + "\\n"); return next(url, context); }`;
const asData = (code: string): string => `data:text/javascript,${encodeURIComponent(code)}`;
const REGISTER = `import { register } from "node:module"; register(${JSON.stringify(asData(HOOKS))});`;

it("reads an inbox without loading what takes longer than the rest: schemas, tokens, YAML, fetch", async () => {
  // The first call fetches the access token that the second finds in the home.
  await cli.run("inbox", "--as", "blue", "--json");
  const env = { NODE_OPTIONS: `--import ${asData(REGISTER)}` };
  const { code, stderr } = await cli.runWith({ env }, "inbox", "--as", "blue", "--json");
  const loaded = stderr.split("\n").filter((line) => line.startsWith("file:"));
  expect(code).toBe(0);
  expect(loaded.length).toBeGreaterThan(10);
  expect(loaded.filter((url) => /\/node_modules\/(zod|jose|yaml)\//.test(url))).toEqual([]);
  // The small ones that hold no schema; with the schemas there would be dozens.
  expect(loaded.filter((url) => url.includes("/contract/")).length).toBeLessThan(10);
});
