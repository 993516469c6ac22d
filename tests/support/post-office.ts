import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { afterEach, beforeEach } from "vitest";
import type { z } from "zod";
import type {
  Download,
  EndpointInput,
  EndpointOutput,
  EndpointRequest,
} from "../../contract/endpoint.ts";
import type { CallContext, Idempotency, Principal } from "../../contract/handlers.ts";
import { mailbox } from "../../contract/mailbox.ts";
import { ProblemError } from "../../contract/problem.ts";
import { fanOutReader } from "../../mailbox/fan-out.ts";
import { mailboxDeadlines } from "../../mailbox/deadlines.ts";
import { mailboxHandlers } from "../../mailbox/handlers.ts";
import type { Wait } from "../../mailbox/ports.ts";
import { mailboxProjection } from "../../mailbox/projection.ts";
import type { BlobRef, Blobs } from "../../storage/blobs.ts";
import type { Db } from "../../storage/db.ts";
import { type EventLog, openLog } from "../../storage/event-log.ts";
import { readBatch } from "../../storage/readers.ts";
import type { SearchIndex } from "../../storage/search.ts";
import type { TestClock } from "./clock.ts";
import type { Driver, OpenedDb } from "./drivers.ts";
import { openMigrated } from "./log-bench.ts";
import { expectReplayed } from "./replayed.ts";

type Mailbox = typeof mailbox;
type Request<K extends keyof Mailbox> = Omit<EndpointRequest<Mailbox[K]>, "params"> & {
  readonly params?: Record<string, string>;
};

/** What one caller can do: every endpoint of the mailbox, in project `default` unless the params say otherwise. */
export type Caller = {
  readonly [K in keyof Mailbox]: (
    request?: Request<K>,
    options?: { readonly key?: string; readonly signal?: AbortSignal },
  ) => Promise<EndpointOutput<Mailbox[K]>>;
};

/** The mailbox over an open database, without a server. */
export interface PostOffice {
  readonly log: EventLog;
  readonly db: Db;
  readonly clock: TestClock;
  /** Delivers what was sent to `@all`. */
  fanOut(): Promise<void>;
  /** A user with every scope of the mailbox. */
  user(name: string): Caller;
  /** An agent of project `default` by its own key. */
  agent(name: string, project?: string): Caller;
  /** Registers agents owned by `user:anna` and answers their callers. */
  agents<const N extends string>(...names: readonly N[]): Promise<Record<N, Caller>>;
}

export const userPrincipal = (name: string): Principal => ({
  id: `user:${name}`,
  kind: "user",
  name,
  project: null,
  act: null,
  actor: `user:${name}`,
  scopes: new Set(["agent:write", "mail:read", "mail:send", "contact:approve", "project:read"]),
});

export const agentPrincipal = (name: string, project = "default"): Principal => ({
  id: `agent:${project}/${name}`,
  kind: "agent",
  name,
  project,
  act: null,
  actor: `agent:${project}/${name}`,
  scopes: new Set(["mail:read", "mail:send", "project:read"]),
});

/** Gives each test of the surrounding `describe` a new post office, and checks after it that a replay gives the same state. */
export function usePostOffice(driver: Driver): () => PostOffice {
  let opened: OpenedDb;
  let search: SearchIndex;
  beforeEach(async () => {
    opened = await openMigrated(driver);
    search = openedWhenAsked(opened.openSearch);
  });
  afterEach(async () => {
    await expectReplayed(driver, opened.db, [mailboxProjection]);
    await search.close();
    await opened.close();
  });
  return () => openPostOffice({ ...opened, search });
}

/** An index that costs nothing in a test that does not look anything up. */
function openedWhenAsked(open: () => SearchIndex): SearchIndex {
  let opened: SearchIndex | undefined;
  const index = (): SearchIndex => (opened ??= open());
  return {
    search: (request) => index().search(request),
    query: (text, values) => index().query(text, values),
    catchUp: () => index().catchUp(),
    close: async () => opened?.close(),
  };
}

export function openPostOffice({
  db,
  clock,
  search = noSearch,
  maxUnread = 1_000,
}: Pick<OpenedDb, "db" | "clock"> & {
  readonly search?: SearchIndex;
  readonly maxUnread?: number;
}): PostOffice {
  const log = openLog({ db, projections: [mailboxProjection], deadlines: mailboxDeadlines() });
  const wait = waitOnCommits(db);
  const handlers = mailboxHandlers({ log, wait, blobs: memoryBlobs(), search, maxUnread });
  const caller = (principal: Principal): Caller => callerOf(handlers, principal);
  const user = (name: string): Caller => caller(userPrincipal(name));
  const agent = (name: string, project?: string): Caller => caller(agentPrincipal(name, project));
  return {
    log,
    db,
    clock,
    fanOut: async () => {
      while ((await readBatch(fanOutReader(log, maxUnread))) > 0);
    },
    user,
    agent,
    agents: async (...names) => {
      for (const name of names) await user("anna").registerAgent({ body: { name } });
      return Object.fromEntries(names.map((name) => [name, agent(name)])) as Record<
        (typeof names)[number],
        Caller
      >;
    },
  };
}

const noSearch: SearchIndex = {
  search: () => Promise.reject(new Error("this post office has no index")),
  query: () => Promise.reject(new Error("this post office has no index")),
  catchUp: () => Promise.resolve(),
  close: () => Promise.resolve(),
};

/** Blobs have a suite of their own; here they only hold bytes. */
function memoryBlobs(): Blobs {
  const stored = new Map<string, Uint8Array>();
  return {
    put: async (content, maxBytes): Promise<BlobRef> => {
      const bytes = content instanceof Uint8Array ? content : await buffer(content);
      if (bytes.length > maxBytes) throw new ProblemError("PAYLOAD_TOO_LARGE", "too large");
      const sha256 = createHash("sha256").update(bytes).digest("hex");
      stored.set(sha256, bytes);
      return { sha256, size: bytes.length };
    },
    get: (sha256) => Promise.resolve(Readable.from([stored.get(sha256) ?? ""])),
    has: (sha256) => Promise.resolve(stored.has(sha256)),
    delete: (sha256) => Promise.resolve(void stored.delete(sha256)),
  };
}

/** Wakes every waiter at every commit. */
const waitOnCommits =
  (db: Db): Wait =>
  async (_inbox, { ms, signal }) => {
    let wake = (): void => undefined;
    const woken = new Promise<void>((resolve) => (wake = resolve));
    const timer = setTimeout(wake, ms);
    signal.addEventListener("abort", wake);
    const unlisten = await db.listen(wake);
    await woken;
    clearTimeout(timer);
    await unlisten();
  };

function callerOf(handlers: ReturnType<typeof mailboxHandlers>, principal: Principal): Caller {
  const call =
    (name: keyof Mailbox) =>
    async (request?: object, options?: { key?: string; signal?: AbortSignal }) => {
      const endpoint = mailbox[name];
      const parts = parse(endpoint, request ?? {});
      const handler = handlers[name] as unknown as (input: unknown) => Promise<unknown>;
      const context: CallContext = {
        principal,
        idempotency: idempotencyOf(endpoint, parts, options?.key),
        signal: options?.signal ?? new AbortController().signal,
      };
      const { content } = (request ?? {}) as { content?: Uint8Array };
      const upload = content === undefined ? {} : { content: Readable.from([content]) };
      const reply = await handler({ ...parts, ...context, ...upload });
      if ("download" in endpoint) return downloaded(reply as Download);
      return endpoint.response.parse(JSON.parse(JSON.stringify(reply)));
    };
  return Object.fromEntries(
    (Object.keys(mailbox) as (keyof Mailbox)[]).map((name) => [name, call(name)]),
  ) as unknown as Caller;
}

const downloaded = async ({ content, type, name }: Download) => ({
  content: new Uint8Array(await buffer(content)),
  type,
  name,
});

interface Schemas {
  readonly method: string;
  readonly path: string;
  readonly params?: z.ZodType;
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
}

function parse(endpoint: Schemas, request: object): EndpointInput<Mailbox[keyof Mailbox]> {
  const { params, query, body } = request as Record<string, unknown>;
  const parsed = {
    params: endpoint.params?.parse({ project: "default", ...(params as object) }),
    query: endpoint.query?.parse(query ?? {}),
    body: endpoint.body?.parse(body ?? {}),
  };
  return parsed as unknown as EndpointInput<Mailbox[keyof Mailbox]>;
}

function idempotencyOf(
  { method, path }: Schemas,
  parts: unknown,
  key: string | undefined,
): Idempotency | null {
  return key === undefined
    ? null
    : { key, endpoint: `${method} ${path}`, hash: JSON.stringify(parts) };
}
