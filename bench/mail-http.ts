import { access, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newId } from "../contract/ids.ts";
import { systemClock } from "../runtime/clock.ts";
import { CLI_ENTRY } from "../tests/support/cli.ts";
import { joinAs, type Member } from "../tests/support/server.ts";
import { type Rate, rateOf } from "./measure.ts";
import { type Program, startProgram } from "./processes.ts";
import { rawLoad } from "./raw-load.ts";

export const AGENTS = 50;
export const agentName = (n: number): string => `agent-${n % AGENTS}`;

/** A whole server, compiled, in a process of its own, with agents of the user that joined first. */
export interface MailServer {
  readonly url: string;
  readonly owner: Member;
  /** Access tokens of the agents, in the order of their numbers. */
  readonly tokens: readonly string[];
  stop(): Promise<void>;
}

export async function startMailServer(): Promise<MailServer> {
  await access(CLI_ENTRY).catch(() => {
    throw new Error(`${CLI_ENTRY} is missing: npm run build`);
  });
  const data = await mkdtemp(join(tmpdir(), "gridpost-bench-"));
  const program = await startProgram({
    file: CLI_ENTRY,
    args: [
      "server",
      "--data",
      data,
      "--listen",
      "127.0.0.1:0",
      "--set",
      "limits.requests=100000000",
    ],
    ready: /listening on/,
  });
  const url = /http:\S+/.exec(program.ready)?.[0] ?? "";
  const token = (await readFile(join(data, "admin.join"), "utf8")).trim();
  const owner = await joinAs({ url, clock: systemClock, token, name: "bench" });
  const tokens: string[] = [];
  for (let n = 0; n < AGENTS; n += 1) {
    await owner.client.mailbox.registerAgent({
      params: { project: "default" },
      body: { name: agentName(n) },
    });
    tokens.push(await owner.agentToken(agentName(n)));
  }
  const stop = async (): Promise<void> => {
    await program.stop();
    await rm(data, { recursive: true });
  };
  return { url, owner, tokens, stop };
}

/** The bare server that a send is compared with. */
export async function startBareServer(): Promise<{ url: string; stop: Program["stop"] }> {
  const program = await startProgram({ file: "bench/bare-server.mjs", ready: /^http/ });
  const [url = "", folder = ""] = program.ready.split(" ");
  const stop = async (): Promise<void> => {
    await program.stop();
    await rm(folder, { recursive: true });
  };
  return { url, stop };
}

export interface Load {
  readonly url: string;
  readonly path: string;
  /** One for each connection, in turns; none: no authentication. */
  readonly tokens: readonly string[];
  readonly connections: number;
  readonly seconds: number;
}

/** What a load of sends came to. */
export type LoadResult = Rate;

export const BODY =
  "The sweep is through: 24 of 24 cells, the spread is below two percent. ".repeat(7);

/** Sends messages of 500 bytes to one recipient each, every connection one after the other. @throws if one was refused */
export async function loadSends({ url, path, tokens, ...load }: Load): Promise<LoadResult> {
  let sent = 0;
  const next = (): string => {
    const n = (sent += 1);
    const body = JSON.stringify({
      to: [agentName(n * 7 + 1)],
      subject: `result ${n}`,
      body: BODY,
    });
    const token = tokens[n % tokens.length];
    const head = [
      `POST ${path} HTTP/1.1`,
      "host: bench",
      "content-type: application/json",
      `idempotency-key: ${newId()}`,
      ...(token === undefined ? [] : [`authorization: Bearer ${token}`]),
      `content-length: ${Buffer.byteLength(body)}`,
    ];
    return `${head.join("\r\n")}\r\n\r\n${body}`;
  };
  return rateOf([await rawLoad({ url, next, ...load })]);
}
