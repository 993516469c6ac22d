import { type ChildProcess, spawn } from "node:child_process";
import { createServer } from "node:net";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import type { TestServer } from "./server.ts";

/** The compiled command; `npm test` builds it first. */
export const CLI_ENTRY =
  process.env["GRIDPOST_TEST_CLI"] ??
  fileURLToPath(new URL("../../dist/bin/gridpost.js", import.meta.url));

/** How one command ended. */
export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** stdout as one JSON document. */
  json<T>(): T;
}

export interface CliRunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly cwd?: string;
}

/** The real command with a home of its own, without a terminal. */
export interface TestCli {
  readonly home: string;
  run(...args: readonly string[]): Promise<CliResult>;
  runWith(options: CliRunOptions, ...args: readonly string[]): Promise<CliResult>;
  /** Starts it without waiting for its end; `remove` kills what still runs. */
  start(...args: readonly string[]): ChildProcess;
  remove(): Promise<void>;
}

const OWN_VARIABLES = /^(GRIDPOST_|NO_COLOR|FORCE_COLOR|EDITOR|VISUAL|NODE_OPTIONS|VITEST)/;

/** Opens a home that has joined no server. */
export async function openCli(): Promise<TestCli> {
  const home = await mkdtemp(join(tmpdir(), "gridpost-home-"));
  const inherited = Object.entries(process.env).filter(([name]) => !OWN_VARIABLES.test(name));
  const launch = ({ env, cwd }: CliRunOptions, args: readonly string[]): ChildProcess =>
    spawn(process.execPath, [CLI_ENTRY, ...args], {
      cwd: cwd ?? home,
      env: { ...Object.fromEntries(inherited), GRIDPOST_HOME: home, ...env },
    });
  const started: ChildProcess[] = [];
  const runWith: TestCli["runWith"] = async (options, ...args) => {
    const child = launch(options, args);
    const code = new Promise<number | null>((resolve) => child.once("close", resolve));
    child.stdin?.end(options.input ?? "");
    const [stdout, stderr] = await Promise.all([
      child.stdout === null ? "" : text(child.stdout),
      child.stderr === null ? "" : text(child.stderr),
    ]);
    return {
      code: await code,
      stdout,
      stderr,
      // The test says what it expects to find.
      json: <T>() => JSON.parse(stdout) as T,
    };
  };
  return {
    home,
    runWith,
    run: (...args) => runWith({}, ...args),
    start: (...args) => {
      const child = launch({}, args);
      started.push(child);
      return child;
    },
    remove: async () => {
      for (const child of started) child.kill("SIGKILL");
      await rm(home, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    },
  };
}

/** A home whose user has joined the server. */
export async function joinedCli(
  server: Pick<TestServer, "url" | "admin">,
  name: string,
  role: "admin" | "member" = "member",
): Promise<TestCli> {
  const cli = await openCli();
  const { token } = await server.admin.client.identity.createToken({
    body: { kind: "user", name, role },
  });
  const file = join(cli.home, "join.token");
  await writeFile(file, token, { mode: 0o600 });
  const joined = await cli.run("join", server.url, "--token-file", file, "--json");
  if (joined.code !== 0) throw new Error(`join failed: ${joined.stdout}${joined.stderr}`);
  return cli;
}

/** A port on which nobody answers. */
export async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 1;
}
