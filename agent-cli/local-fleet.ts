import { readFile, rm } from "node:fs/promises";
import { hostname, userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ProblemError } from "../contract/problem-error.ts";
import { tokenSource } from "../runtime/access-token.ts";
import { httpExchange } from "../runtime/http-exchange.ts";
import { openHome } from "../runtime/home.ts";
import { NoCredentialsError } from "../runtime/no-credentials.ts";
import { writePrivate } from "../runtime/private-file.ts";
import { type Api, createApi } from "./api.ts";
import { type Service, startService } from "./service-process.ts";

export interface FleetOptions {
  readonly home: string;
  /** The folder of server, node and their logs. */
  readonly data: string;
  readonly listen: string;
  readonly entry: string;
}

/** What is up. */
export interface FleetUp {
  readonly url: string;
  readonly user: string;
  readonly node: string;
  readonly data: string;
}

/** A server and a node on this machine, as children of this process. */
export interface LocalFleet {
  /** Resolves when the node takes work. @throws ProblemError with what stopped it */
  readonly ready: Promise<FleetUp>;
  /** Resolves with one line when one of them ended on its own. */
  readonly failed: Promise<string>;
  /** Stops the node, then the server. */
  stop(): Promise<void>;
}

export function startFleet(options: FleetOptions): LocalFleet {
  const services: Service[] = [];
  let fail: (how: string) => void = () => undefined;
  const failed = new Promise<string>((resolve) => (fail = resolve));
  const start = (name: string, args: readonly string[]): Service => {
    const logFile = join(options.data, `${name}.log`);
    const service = startService({ name, entry: options.entry, args, logFile });
    services.unshift(service);
    void service.ended.then(fail);
    return service;
  };
  return {
    ready: bringUp(options, start),
    failed,
    stop: async () => {
      for (const service of services) await service.stop();
    },
  };
}

async function bringUp(
  { home, data, listen }: FleetOptions,
  start: (name: string, args: readonly string[]) => Service,
): Promise<FleetUp> {
  const folder = join(data, "server");
  const server = start("server", ["server", "--data", folder, "--listen", listen]);
  const line = await server.line(/^listening on /);
  const url = ownAddress(line.replace("listening on ", ""));
  const user = await joinAsOwner({ home, url, adminJoin: join(folder, "admin.join") });
  const api = createApi({ url, token: tokenSource({ home, url }), exchange: httpExchange });
  const nodeFolder = join(data, "node");
  const joinedAs = await joinedNode(nodeFolder, url);
  const node = joinedAs ?? nameFrom(hostname(), "node");
  const tokenFile = join(data, "node.join");
  const common = ["daemon", "--url", url, "--name", node, "--data", nodeFolder, "--allow-process"];
  if (joinedAs === undefined) await writePrivate(tokenFile, await nodeToken(api, node));
  const args = joinedAs === undefined ? [...common, "--token-file", tokenFile] : common;
  const daemon = start("daemon", args);
  await untilReady(api, node, daemon);
  await rm(tokenFile, { force: true });
  return { url, user, node, data };
}

/** A server that listens everywhere is reached over loopback, where plain HTTP is safe. */
const ownAddress = (url: string): string =>
  url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:");

/** Joins as the user of the operating system, unless the home's key is known to this server already. */
async function joinAsOwner(options: {
  readonly home: string;
  readonly url: string;
  readonly adminJoin: string;
}): Promise<string> {
  const { home, url, adminJoin } = options;
  try {
    const api = createApi({ url, token: tokenSource({ home, url }), exchange: httpExchange });
    const { principal } = await api("GET /v1/whoami", {});
    await openHome(home).setDefaultUrl(url);
    return principal;
  } catch (error) {
    if (!(error instanceof NoCredentialsError)) throw error;
  }
  const token = await readFile(adminJoin, "utf8").catch((cause: unknown) => {
    throw new ProblemError("UNAUTHENTICATED", `somebody else has joined the server at ${url}`, {
      next: `gridpost server --data ${join(adminJoin, "..")} --new-admin-join, then gridpost up`,
      cause,
    });
  });
  const { joinServer } = await import("../runtime/join.ts");
  return (await joinServer({ url, token, home, name: ownerName() })).principal;
}

function ownerName(): string {
  try {
    return nameFrom(userInfo().username, "owner");
  } catch {
    // An account without a name, as in a container with an arbitrary uid.
    return "owner";
  }
}

/** A name as the server takes them. */
const nameFrom = (text: string, otherwise: string): string =>
  text
    .replaceAll(/[^A-Za-z0-9._-]/g, "-")
    .replace(/^[._-]+/, "")
    .slice(0, 64) || otherwise;

/** The name under which the node joined at an earlier start; the host may be called otherwise by now. */
async function joinedNode(home: string, url: string): Promise<string | undefined> {
  if ((await openHome(home).defaultUrl()) === undefined) return undefined;
  const api = createApi({ url, token: tokenSource({ home, url }), exchange: httpExchange });
  try {
    return (await api("GET /v1/whoami", {})).name;
  } catch (error) {
    throw isStranger(error) ? unknownNode(home, url, error) : error;
  }
}

/** Whether a server does not know the key of a home, or no longer. */
const isStranger = (error: unknown): boolean =>
  error instanceof NoCredentialsError ||
  (error instanceof ProblemError && error.code === "UNAUTHENTICATED");

/** What it did for another server, or before it was revoked, is not for `up` to throw away. */
const unknownNode = (home: string, url: string, cause: unknown): ProblemError =>
  new ProblemError("UNAUTHENTICATED", `the node in ${home} is none of the server at ${url}`, {
    next: `move ${home} away, then gridpost up: it makes a new node`,
    cause,
  });

async function nodeToken(api: Api, name: string): Promise<string> {
  const made = await api("POST /v1/tokens", { body: { kind: "node", name } }, { unkeyed: true });
  return made.token;
}

const POLL_MS = 100;
const READY_MS = 60_000;

/** An unready node is good enough: `node ls` says what it lacks. */
async function untilReady(api: Api, node: string, daemon: Service): Promise<void> {
  let ended: string | undefined;
  void daemon.ended.then((how) => (ended = how));
  for (const until = performance.now() + READY_MS; performance.now() < until;) {
    if (ended !== undefined) break;
    const { nodes } = await api("GET /v1/nodes", {});
    const state = nodes.find(({ name }) => name === node)?.state;
    if (state === "ready" || state === "unready" || state === "draining") return;
    await sleep(POLL_MS);
  }
  throw new ProblemError("UNAVAILABLE", ended ?? "the node does not report", {
    next: "look at daemon.log beside the node's folder",
  });
}
