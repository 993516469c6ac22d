import { type McpServer, ResourceTemplate } from "@modelcontextprotocol/sdk/server/mcp.js";
import {
  ErrorCode,
  ReadResourceRequestSchema,
  type ReadResourceResult,
} from "@modelcontextprotocol/sdk/types.js";
import { ProblemError } from "../../contract/problem.ts";
import { given } from "./mail-tools.ts";
import type { Binding } from "./sessions.ts";
import { type Advise, explain, type McpCall, type OnFault } from "./tool.ts";

export interface ResourceContext {
  /** The call for the project that a resource's `?project=` names, or for the connection's own. */
  readonly call: (project: string | null) => Promise<McpCall>;
  readonly advise: Advise;
  readonly onFault: OnFault;
}

/** What a URI asks for. */
interface Asked {
  /** Of which agent or thread; empty where the resource needs no name. */
  readonly of: string;
  readonly query: URLSearchParams;
}

interface Listed {
  readonly uri: string;
  readonly options: string;
  readonly description: string;
  readonly read: (call: McpCall, asked: Asked) => Promise<unknown>;
}

const MAX_PAGE = 500;
const PAGED = "project,limit,after";

const resources: Readonly<Record<string, Listed>> = {
  inbox: {
    uri: "resource://inbox/{agent}",
    options: `${PAGED},include_bodies`,
    description: "The newest messages of the connection's own agent",
    read: readInbox,
  },
  thread: {
    uri: "resource://thread/{id}",
    options: `${PAGED},include_bodies`,
    description: "A thread that the connection's agent sees",
    read: async ({ client, project }, { of: thread, query }) => {
      const page = await client.mailbox.thread({
        params: { project, thread },
        query: paged(query),
      });
      if (query.get("include_bodies") !== "false") return page;
      return { ...page, messages: page.messages.map(({ body: _body, ...message }) => message) };
    },
  },
  agents: {
    uri: "resource://agents",
    options: PAGED,
    description: "The agents of the project",
    read: ({ client, project }, { query }) =>
      client.mailbox.agents({ params: { project }, query: { limit: MAX_PAGE, ...paged(query) } }),
  },
  leases: {
    uri: "resource://leases",
    options: PAGED,
    description: "The leases that are held in the project",
    read: ({ client, project }, { query }) =>
      client.reservations.leases({
        params: { project },
        query: { limit: MAX_PAGE, ...paged(query) },
      }),
  },
};

async function readInbox(
  { client, project, bound }: McpCall,
  { of, query }: Asked,
): Promise<unknown> {
  refuseOthers(bound, project, of);
  const page = await client.mailbox.inbox({ params: { project }, query: paged(query) });
  if (query.get("include_bodies") !== "true") return page;
  const messages = page.messages.map(async (entry) => {
    const { body } = await client.mailbox.message({ params: { project, message: entry.id } });
    return { ...entry, body };
  });
  return { ...page, messages: await Promise.all(messages) };
}

/** @throws ProblemError FORBIDDEN but for the inbox of the agent that the connection acts as */
function refuseOthers(bound: Binding | null, project: string, of: string): void {
  if (bound === null)
    throw new ProblemError("FORBIDDEN", "this connection is not bound to an agent yet", {
      next: "connect as an agent: gridpost mcp --as AGENT; in profile agent-mail call macro_start_session first",
    });
  const own = `read resource://inbox/${bound.agent}`;
  if (bound.project !== project)
    throw new ProblemError(
      "FORBIDDEN",
      `this connection works in project ${bound.project}, not in ${project}`,
      { next: `${own} without project` },
    );
  if (of.toLowerCase() !== bound.agent.toLowerCase())
    throw new ProblemError("FORBIDDEN", `the inbox of ${of} is not this connection's`, {
      next: own,
    });
}

/** The page that a URI asks for; the contract checks it. */
function paged(query: URLSearchParams): { limit?: number; after?: string } {
  const limit = query.get("limit");
  return given({
    limit: limit === null ? undefined : Math.min(Number(limit), MAX_PAGE),
    after: query.get("after") ?? undefined,
  });
}

/** Registers the readable resources, each with any query: the SDK would match only the whole query of its template. */
export function registerResources(
  server: McpServer,
  { call, advise, onFault }: ResourceContext,
): void {
  const read = async (uri: string): Promise<ReadResourceResult> => {
    try {
      const { resource, asked } = find(uri);
      const value = await resource.read(await call(asked.query.get("project")), asked);
      return { contents: [{ uri, mimeType: "application/json", text: JSON.stringify(value) }] };
    } catch (error) {
      throw await refusal(error, { uri, advise, onFault });
    }
  };
  for (const [name, { uri, options, description }] of Object.entries(resources)) {
    const list = uri.includes("{") ? undefined : () => ({ resources: [{ uri, name }] });
    const template = new ResourceTemplate(`${uri}{?${options}}`, { list });
    const config = { description, mimeType: "application/json" };
    server.registerResource(name, template, config, (url) => read(url.href));
  }
  server.server.setRequestHandler(ReadResourceRequestSchema, ({ params }) => read(params.uri));
}

const NEXT = "see resources/templates/list";

/** @throws ProblemError NOT_FOUND */
function find(uri: string): { resource: Listed; asked: Asked } {
  const [, name = "", of = ""] = /^resource:\/\/(\w+)(?:\/([^/?#]+))?(?:\?|$)/.exec(uri) ?? [];
  const resource = Object.hasOwn(resources, name) ? resources[name] : undefined;
  if (resource === undefined || resource.uri.includes("{") !== (of !== ""))
    throw new ProblemError("NOT_FOUND", `there is no resource ${uri.slice(0, 200)}`, {
      next: NEXT,
    });
  return { resource, asked: { of, query: new URLSearchParams(uri.split("?").slice(1).join("?")) } };
}

/** That a resource was not found, as MCP has it. */
const RESOURCE_NOT_FOUND = -32_002;

interface Refused extends Pick<ResourceContext, "advise" | "onFault"> {
  readonly uri: string;
}

/** What the SDK answers as the JSON-RPC error: the problem as data, and in words for whoever reads no data. */
async function refusal(error: unknown, { uri, advise, onFault }: Refused): Promise<Error> {
  const said = await explain(error, { name: uri, next: NEXT, advise, onFault });
  const code = said.code === "NOT_FOUND" ? RESOURCE_NOT_FOUND : ErrorCode.InternalError;
  const next = said.next === undefined ? "" : `. Next: ${said.next}`;
  return Object.assign(new Error(`${said.message}${next}`), { code, data: said });
}
