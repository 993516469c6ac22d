import type { ClientOptions } from "../contract/transport.ts";
import { ProblemError } from "../contract/problem-error.ts";
import { tokenSource } from "../runtime/access-token.ts";
import { httpExchange } from "../runtime/http-exchange.ts";
import { openHome } from "../runtime/home.ts";
import { originOf } from "../runtime/server-url.ts";
import { type Api, createApi } from "./api.ts";
import { type Environment, homeOf, variable } from "./environment.ts";
import type { Output } from "./output.ts";

/** The options that every command takes. */
export interface CommonOptions {
  readonly json?: true | undefined;
  readonly as?: string | undefined;
  readonly project?: string | undefined;
  readonly url?: string | undefined;
  readonly insecure?: true | undefined;
}

/** What a command asks for on its own account. */
interface Patience {
  /** How long each call may take, that for an access token included; else as long as any. */
  readonly timeoutMs?: number | undefined;
}

/** An agent and the calls made as it. */
export interface ActingAgent {
  readonly name: string;
  readonly api: Api;
}

/** Which server, which project, and as whom. */
export interface Context {
  readonly home: string;
  readonly project: string;
  /** The agent that was named; undefined: nobody was. */
  readonly actingAs: string | undefined;
  /** @throws ProblemError when none was given and none was joined */
  url(): Promise<string>;
  /**
   * Calls as the owner of the home's key: for what no agent may do. GRIDPOST_AGENT does not change that, but `--as` does,
   * so that the server can refuse it.
   */
  user(): Promise<Api>;
  /** Calls as the owner of the home's key, whatever was asked: for what an owner decides about its agent. */
  owner(): Promise<Api>;
  /** Calls as the agent that was named, or else as the only one that the user owns here. */
  agent(): Promise<ActingAgent>;
  /** Calls as the agent that was named, or else as the user. */
  caller(): Promise<Api>;
  /** Gives fresh access tokens of the same principal as `caller`. */
  token(): Promise<NonNullable<ClientOptions["token"]>>;
}

export interface ContextOptions {
  readonly environment: Environment;
  readonly out: Output;
  readonly options: CommonOptions & Patience;
}

export function createContext({ environment, out, options }: ContextOptions): Context {
  const home = homeOf(environment);
  const project = options.project ?? variable(environment, "GRIDPOST_PROJECT") ?? "default";
  const named = options.as ?? variable(environment, "GRIDPOST_AGENT");
  const { timeoutMs } = options;
  const patience = timeoutMs === undefined ? {} : { timeoutMs };
  const url = async (): Promise<string> => {
    const given = options.url ?? variable(environment, "GRIDPOST_URL");
    const known = given ?? (await openHome(home).defaultUrl());
    if (known !== undefined) return originOf(known);
    throw new NoServerError(home);
  };
  const token = async (name?: string): Promise<NonNullable<ClientOptions["token"]>> =>
    tokenSource({
      home,
      url: await url(),
      insecure: options.insecure === true,
      ...patience,
      ...(name === undefined ? {} : { agent: { project, name } }),
    });
  const as = async (name?: string): Promise<Api> =>
    createApi({
      url: await url(),
      token: await token(name),
      exchange: httpExchange,
      ...patience,
    });

  return {
    home,
    project,
    actingAs: named,
    url,
    user: () => as(options.as),
    owner: () => as(),
    caller: () => as(named),
    token: () => token(named),
    agent: async () => {
      if (named !== undefined) return { name: named, api: await as(named) };
      const user = await as();
      const me = await user("GET /v1/whoami", { query: { project } });
      if (me.kind === "agent") return { name: me.name, api: user };
      const name = onlyAgent(
        me.agents.map((agent) => agent.name),
        project,
      );
      out.note(`acting as ${name}`);
      return { name, api: await as(name) };
    },
  };
}

/** No address was given and the home has joined no server. */
export class NoServerError extends Error {
  readonly next =
    "gridpost join URL --token-file FILE, or gridpost up for a server on this machine";

  constructor(home: string) {
    super(`no server is known in ${home}`);
    this.name = "NoServerError";
  }
}

/** @throws ProblemError BAD_REQUEST unless the user owns exactly one agent here */
function onlyAgent(names: readonly string[], project: string): string {
  const [first] = names;
  if (first === undefined) {
    throw new ProblemError("BAD_REQUEST", `you own no agent in project ${project}`, {
      next: "gridpost agent register NAME",
    });
  }
  if (names.length === 1) return first;
  throw new ProblemError(
    "BAD_REQUEST",
    `you own ${names.length} agents in project ${project}: say which one acts`,
    { details: names.map((agent) => ({ agent })), next: `add --as ${names.join("|")}` },
  );
}
