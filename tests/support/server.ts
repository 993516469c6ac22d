import { createHash, randomUUID } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { calculateJwkThumbprint } from "jose";
import { type Logger, pino } from "pino";
import { expect } from "vitest";
import { type Client, createClient } from "../../contract/client.ts";
import { TOKEN_TYPES } from "../../contract/token.ts";
import { signAssertion } from "../../runtime/assertion.ts";
import { type Clock, systemClock } from "../../runtime/clock.ts";
import { makeKey, type PrivateJwk, publicHalf } from "../../runtime/key-store.ts";
import { projections } from "../../server/projections.ts";
import { readSettings, type RunningServer, startServer } from "../../server/main.ts";
import type { Settings } from "../../server/settings.ts";
import { migrate } from "../../storage/migrate.ts";
import { diffProjections } from "../../storage/projection-diff.ts";
import { replay } from "../../storage/replay.ts";
import { openSqlite } from "../../storage/sqlite.ts";

/** A principal that has joined a test server, with the clients it calls with. */
export interface Member {
  /** `user:anna`. */
  readonly principal: string;
  readonly name: string;
  readonly key: PrivateJwk;
  readonly client: Client;
  /** An access token as itself. */
  token(fresh?: boolean): Promise<string>;
  /** A client that acts as an agent of this user, which is registered if it is new. */
  asAgent(name: string, project?: string): Promise<Client>;
  /** An access token as an agent of this user. */
  agentToken(name: string, project?: string): Promise<string>;
}

export interface TestServer {
  readonly url: string;
  readonly data: string;
  /** The user that joined with admin.join. */
  readonly admin: Member;
  readonly running: RunningServer;
  /** Makes a join token as the admin and joins with it. */
  join(kind: "user" | "node" | "agent", name: string, more?: JoinMore): Promise<Member>;
  /** Lets due deadlines fire now; after moving an injected clock. */
  fireDeadlines(): Promise<number>;
  /** Stops the server, lets `before` look at what it left, compares a replay of its log with its projections, and removes the folder. */
  stop(options?: { readonly before?: () => Promise<void> }): Promise<void>;
}

interface JoinMore {
  readonly project?: string;
  readonly role?: "admin" | "operator" | "member" | "viewer";
}

export interface TestServerOptions {
  readonly clock?: Clock;
  /** `a.b=c`, as `--set`. */
  readonly set?: readonly string[];
  readonly log?: Logger;
  /** Puts files into the data folder before the server starts. */
  readonly prepare?: (data: string) => Promise<void>;
}

/** The real composition on a temporary folder and a free port, over real HTTP. */
export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const data = await mkdtemp(join(tmpdir(), "gridpost-server-"));
  const { clock = systemClock, set = [], log = pino({ level: "silent" }) } = options;
  await options.prepare?.(data);
  const settings: Settings = readSettings({ data, listen: "127.0.0.1:0", set });
  const running = await startServer({ settings, clock, log });
  const { url } = running;
  const adminToken = (await readFile(join(data, "admin.join"), "utf8")).trim();
  const admin = await joinAs({ url, clock, token: adminToken, name: "admin" });
  return {
    url,
    data,
    admin,
    running,
    join: async (kind, name, more = {}) => {
      const { token } = await admin.client.identity.createToken({ body: { kind, name, ...more } });
      return joinAs({ url, clock, token });
    },
    fireDeadlines: () => running.eventLog.deadlines.fireDue(),
    stop: async ({ before } = {}) => {
      await running.stop();
      await before?.();
      await expectReplayEqual(join(data, "gridpost.db"));
      await rm(data, { recursive: true });
    },
  };
}

interface JoinAs {
  readonly url: string;
  readonly clock: Clock;
  readonly token: string;
  readonly name?: string;
}

/** What `gridpost join` does, with keys in memory and an injected clock. */
export async function joinAs({ url, clock, token, name }: JoinAs): Promise<Member> {
  const key = makeKey();
  const thumbprint = await calculateJwkThumbprint(key);
  const client = createClient({ url });
  const { nonce, audience } = await client.identity.nonce();
  const proof = await signAssertion({
    key,
    typ: TOKEN_TYPES.joinProof,
    subject: thumbprint,
    audience,
    claims: { nonce, token: createHash("sha256").update(token).digest("hex") },
    now: clock.now(),
  });
  const { principal } = await client.identity.join({
    body: { token, jwk: publicHalf(key), proof, ...(name === undefined ? {} : { name }) },
  });
  return member({ url, clock, principal, key });
}

interface MemberParts {
  readonly url: string;
  readonly clock: Clock;
  readonly principal: string;
  readonly key: PrivateJwk;
}

function member(parts: MemberParts): Member {
  const { url, principal, key } = parts;
  const own = cachedToken(parts, undefined);
  const client = createClient({ url, token: own });
  const agents = new Map<string, (fresh: boolean) => Promise<string>>();
  const agentToken = (name: string, project: string): ((fresh: boolean) => Promise<string>) => {
    const id = `${project}/${name}`;
    const known = agents.get(id) ?? cachedToken(parts, { project, name });
    agents.set(id, known);
    return known;
  };
  return {
    principal,
    name: principal.slice(principal.search(/[:/](?=[^/]*$)/) + 1),
    key,
    client,
    token: (fresh = false) => own(fresh),
    asAgent: async (name, project = "default") => {
      const token = agentToken(name, project);
      const mine = await client.identity.whoami({ query: { project } });
      if (!mine.agents.some((agent) => agent.name === name))
        await client.mailbox.registerAgent({ params: { project }, body: { name } });
      return createClient({ url, token });
    },
    agentToken: (name, project = "default") => agentToken(name, project)(false),
  };
}

/** The same principal with the same key at another address. */
export const memberAt = (url: string, { principal, key }: Member, clock: Clock): Member =>
  member({ url, clock, principal, key });

/** A token source that remembers its token until the server refuses it. */
function cachedToken(
  { url, clock, principal, key }: MemberParts,
  agent: { project: string; name: string } | undefined,
): (fresh: boolean) => Promise<string> {
  let cached: string | undefined;
  return async (fresh) => {
    if (cached !== undefined && !fresh) return cached;
    const anonymous = createClient({ url });
    const { nonce, audience } = await anonymous.identity.nonce();
    const assertion = await signAssertion({
      key,
      typ: TOKEN_TYPES.assertion,
      subject: principal,
      audience,
      claims: { nonce, jti: randomUUID() },
      now: clock.now(),
    });
    const body = { assertion, ...(agent === undefined ? {} : { agent }) };
    cached = (await anonymous.identity.token({ body })).token;
    return cached;
  };
}

/** A replay of a stopped server's log into an empty database must build the same projections. */
export async function expectReplayEqual(file: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "gridpost-replay-"));
  const original = openSqlite({ file });
  const copy = openSqlite({ file: join(folder, "replay.db") });
  try {
    await migrate(copy);
    await replay(original, copy, projections);
    const tables = projections.flatMap((projection) => projection.tables);
    expect(await diffProjections(original, copy, tables)).toBeNull();
  } finally {
    await original.close();
    await copy.close();
    await rm(folder, { recursive: true });
  }
}
