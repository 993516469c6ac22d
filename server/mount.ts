import { PassThrough, Readable } from "node:stream";
import type {
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  FastifySchema,
  onRequestHookHandler,
  RouteOptions,
} from "fastify";
import type { DomainContract, Download, Endpoint } from "../contract/endpoint.ts";
import type { Handlers, Principal } from "../contract/handlers.ts";
import { Problem, ProblemError } from "../contract/problem.ts";
import { bodyThrough } from "./body-through.ts";
import { callOf } from "./call.ts";
import type { Authenticated, Authenticator } from "./identity/authenticate.ts";

const DEFAULT_BODY_LIMIT = 2 * 1_048_576;

declare module "fastify" {
  interface FastifyRequest {
    /** Who calls; null on public routes. Set before the body is read. */
    caller: Authenticated | null;
    /** A JSON body as it came; empty before it is read, and without one. */
    text: string;
  }
}

/** The handlers of one domain with the endpoints that they serve. */
export interface Domain {
  readonly name: string;
  readonly endpoints: DomainContract;
  readonly handlers: Readonly<Record<string, (call: never) => Promise<unknown>>>;
}

/** What stands before every handler. */
export interface Gate {
  readonly auth: Authenticator;
  /** Fires when the server begins to stop: ends long polls. */
  readonly stopping: AbortSignal;
}

/** Binds handlers to their endpoints; a missing handler does not compile. */
export const domain = <C extends DomainContract>(
  name: string,
  endpoints: C,
  handlers: Handlers<C>,
): Domain => ({ name, endpoints, handlers: handlers as Domain["handlers"] });

/** Mounts every endpoint of a domain as a route. */
export function mountDomain(
  app: FastifyInstance,
  { name, endpoints, handlers }: Domain,
  gate: Gate,
): void {
  if (Object.values(endpoints).some(({ upload }) => upload === true)) {
    // Left unread: the handler of an upload takes the stream as it comes.
    app.addContentTypeParser("application/octet-stream", (_request, body, done) => {
      done(null, body);
    });
  }
  for (const [key, endpoint] of Object.entries(endpoints)) {
    const handle = handlers[key];
    if (handle === undefined) throw new Error(`no handler for ${name}.${key}`);
    app.route(routeOf({ name: `${name}.${key}`, tag: name, endpoint, handle }, gate));
  }
}

interface Route {
  readonly name: string;
  readonly tag: string;
  readonly endpoint: Endpoint;
  readonly handle: (call: never) => Promise<unknown>;
}

function routeOf({ name, tag, endpoint, handle }: Route, { auth, stopping }: Gate): RouteOptions {
  const { method, path, bodyLimit = DEFAULT_BODY_LIMIT, scope } = endpoint;
  const { admit, again } = admission(scope, auth);
  return {
    method,
    url: path,
    bodyLimit,
    schema: documentation(name, tag, endpoint),
    // Before the body is read, as a stranger learns nothing about what a call takes; and once more when it is there:
    // whoever keeps it back while they are revoked must not act afterwards.
    onRequest: hookOf(admit),
    ...(method === "GET" ? {} : { preHandler: hookOf(again) }),
    handler: async (request, reply) => {
      const caller = request.caller?.principal ?? null;
      const parts = callOf(endpoint, request, { caller, stopping, response: reply.raw });
      const call =
        endpoint.upload === true ? { ...parts, content: uploaded(endpoint, request) } : parts;
      // Endpoint and handler were paired, with their types, by `domain`.
      const result = await handle(call as never);
      // It may have waited for minutes, while the caller was revoked.
      if (method === "GET") await again(request);
      return answer(endpoint, reply, result);
    },
  };
}

/**
 * The stream that the parser of uploads left unread; a handler that stops in its midst destroys no request that is yet to
 * be answered.
 * @throws ProblemError UNSUPPORTED_MEDIA_TYPE
 */
function uploaded({ path }: Endpoint, { body }: FastifyRequest): Readable {
  if (body instanceof Readable) return bodyThrough(body, new PassThrough());
  throw new ProblemError("UNSUPPORTED_MEDIA_TYPE", `${path} takes the bytes of a file`, {
    next: "send them with content-type: application/octet-stream",
  });
}

/** Refuses a request by throwing; a promise where something must be looked up first. */
type Admit = (request: FastifyRequest) => Promise<void> | undefined;

interface Admission {
  /** Authenticates, then asks for the scope and the project; waits only for what is not in memory. */
  readonly admit: Admit;
  /** The same for a request that was admitted, unless nothing can have changed since. */
  readonly again: Admit;
}

type Needed = Exclude<Endpoint["scope"], "public">;

const EVERYBODY: Admission = { admit: () => undefined, again: () => undefined };

function admission(scope: Endpoint["scope"], auth: Authenticator): Admission {
  if (scope === "public") return EVERYBODY;
  const admit: Admit = (request) => {
    const project = projectOf(request);
    const enter = (caller: Authenticated): boolean | Promise<boolean> => {
      request.caller = caller;
      refuseWithout(scope, caller.principal, project);
      return project === null || auth.projectExists(project);
    };
    const refuse = (exists: boolean): void => {
      if (!exists && project !== null) throw noProject(project);
    };
    const caller = auth.authenticate(request.headers.authorization, project);
    const exists = caller instanceof Promise ? caller.then(enter) : enter(caller);
    if (exists instanceof Promise) return exists.then(refuse);
    refuse(exists);
    return undefined;
  };
  const again: Admit = (request) => {
    const { caller } = request;
    const same = caller !== null && auth.isFresh(caller, projectOf(request));
    return same ? undefined : admit(request);
  };
  return { admit, again };
}

const projectOf = ({ params }: FastifyRequest): string | null =>
  (params as { readonly project?: string }).project ?? null;

const hookOf =
  (admit: Admit): onRequestHookHandler =>
  (request, _reply, done) => {
    const waiting = admit(request);
    if (waiting === undefined) done();
    else waiting.then(() => done(), done);
  };

/** @throws ProblemError FORBIDDEN unless the principal has the scope in the project; null: on the server */
export function refuseWithout(scope: Needed, principal: Principal, project: string | null): void {
  if (scope === "self" || principal.scopes.has(scope)) return;
  const where = project === null ? "on the server" : `in project ${project}`;
  throw new ProblemError("FORBIDDEN", `${principal.id} lacks the scope ${scope} ${where}`, {
    details: [{ scope, project }],
    next: whereTo(principal, project),
  });
}

function whereTo(principal: Principal, project: string | null): string {
  if (principal.kind === "user") return "ask an admin for a role that has it";
  const { project: own } = principal;
  return own === null || project === null || own === project
    ? "call it as a user that may"
    : `it is an agent of project ${own}: say --project ${own}, or set GRIDPOST_PROJECT`;
}

const noProject = (name: string): ProblemError =>
  new ProblemError("NOT_FOUND", `there is no project ${name}`, { next: "gridpost project ls" });

function answer(endpoint: Endpoint, reply: FastifyReply, result: unknown): FastifyReply {
  if (endpoint.download === true) return sendFile(reply, result as Download);
  void reply.header("content-type", "application/json; charset=utf-8");
  return reply.send(JSON.stringify(endpoint.response.parse(result)));
}

/** A file is never shown by a browser, whatever it holds. */
function sendFile(reply: FastifyReply, { content, size, type, name }: Download): FastifyReply {
  return reply
    .headers({
      "content-type": type,
      "content-length": size,
      "content-disposition": `attachment; filename*=UTF-8''${encodeURIComponent(name)}`,
      "x-content-type-options": "nosniff",
    })
    .send(Readable.from(content, { objectMode: false }));
}

/** What the OpenAPI document says about a route; nothing is validated or serialised by it. */
function documentation(name: string, tag: string, endpoint: Endpoint): FastifySchema {
  const { summary, params, query, body, response, scope } = endpoint;
  return {
    operationId: name.replace(".", "_"),
    tags: [tag],
    summary,
    description: scope === "public" || scope === "self" ? `Scope: ${scope}` : `Scope: \`${scope}\``,
    security: scope === "public" ? [] : [{ accessToken: [] }],
    ...(params === undefined ? {} : { params }),
    ...(query === undefined ? {} : { querystring: query }),
    ...(body === undefined ? {} : { body }),
    response: { 200: response, default: Problem },
  };
}
