import swagger from "@fastify/swagger";
import { jsonSchemaTransform, jsonSchemaTransformObject } from "@fastify/type-provider-zod";
import Fastify, {
  type FastifyInstance,
  type FastifyRequest,
  type preParsingHookHandler,
} from "fastify";
import type { Logger } from "pino";
import { ProblemError } from "../contract/problem.ts";
import { type Domain, type Gate, mountDomain } from "./mount.ts";
import type { Metrics } from "./metrics.ts";
import { OfferingRequest } from "./offers.ts";
import { answerBrokenRequest, sendProblem, toProblemError } from "./problems.ts";
import { boundRests } from "./read-on.ts";
import { requestQuota, type RequestLimits } from "./request-quota.ts";

const MAX_URL = 8_192;
/** Within it, a line of 300 kB/s brings the largest file of evidence. */
const REQUEST_TIMEOUT_MS = 300_000;

export interface AppOptions {
  readonly domains: readonly Domain[];
  readonly gate: Gate;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly version: string;
  readonly edge: Edge;
  /** Hears of every 401 and 403. */
  readonly onRefused: (request: FastifyRequest, problem: ProblemError) => void;
}

/** The HTTP application without a listening socket: the contract's routes and how it refuses. */
export async function buildApp({
  domains,
  gate,
  metrics,
  log,
  version,
  edge,
  onRefused,
}: AppOptions): Promise<FastifyInstance> {
  const app: FastifyInstance = Fastify({
    logger: false,
    ...nodeOptions(edge),
    trustProxy: edge.trustProxy.length > 0 ? [...edge.trustProxy] : false,
    // Requests on open connections are answered while the server stops; only then do they end.
    return503OnClosing: false,
    forceCloseConnections: "idle",
    requestTimeout: REQUEST_TIMEOUT_MS,
    routerOptions: { maxParamLength: 256, ignoreTrailingSlash: false },
    clientErrorHandler: answerBrokenRequest,
    frameworkErrors: (error, _request, reply) => void sendProblem(reply, toProblemError(error)),
  });
  metrics.watch(app);
  boundRests(app);
  app.decorateRequest("caller", null);
  // The contract's schemas are applied once, by `callOf`, after authentication and with all mistakes at once.
  app.setValidatorCompiler(() => () => true);
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  app.removeContentTypeParser("text/plain");
  readJson(app);
  app.addHook("onRequest", (request, _reply, done) => {
    done(request.url.length > MAX_URL ? uriTooLong() : undefined);
  });
  app.setErrorHandler((error, request, reply) => {
    const problem = toProblemError(error);
    if (problem.status >= 500)
      log.error({ err: error, url: request.routeOptions.url }, "request failed");
    if (problem.status === 401 || problem.status === 403) onRefused(request, problem);
    return sendProblem(reply, problem);
  });
  // After authentication: counted by principal, or by address what needs no token.
  const charge = requestQuota(edge.limits);
  app.addHook("preParsing", (...[request, , payload, done]: Parameters<preParsingHookHandler>) => {
    done(null, charge(request, payload));
  });
  app.setNotFoundHandler(async (request, reply) => {
    await gate.auth.authenticate(request.headers.authorization, null);
    return sendProblem(reply, noRoute(request.method, request.url));
  });
  await app.register(swagger, {
    openapi: openApiHead(version),
    transform: jsonSchemaTransform,
    transformObject: jsonSchemaTransformObject,
  });
  for (const one of domains)
    await app.register((instance, _options, done) => {
      mountDomain(instance, one, gate);
      done();
    });
  return app;
}

const nodeOptions = ({ tls }: Edge) =>
  tls === null
    ? { http: { IncomingMessage: OfferingRequest } }
    : { https: { ...tls, IncomingMessage: OfferingRequest } };

/** Parses JSON as Fastify does, and keeps its text. */
function readJson(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser("error", "error");
  app.decorateRequest("text", "");
  app.addContentTypeParser(
    "application/json",
    { parseAs: "string" },
    (request, text: string, done) => {
      request.text = text;
      void parse(request, text, done);
    },
  );
}

/** How the server meets the network. */
export interface Edge {
  /** null: plain HTTP. */
  readonly tls: { readonly cert: Buffer; readonly key: Buffer } | null;
  /** Addresses and networks of proxies whose X-Forwarded-For is believed. */
  readonly trustProxy: readonly string[];
  readonly limits: RequestLimits;
}

const openApiHead = (version: string) => ({
  openapi: "3.1.0",
  info: {
    title: "Gridpost",
    version,
    description: "Mail, leases and a result ledger for fleets of GPU benchmark nodes",
  },
  components: {
    securitySchemes: {
      accessToken: { type: "http" as const, scheme: "bearer", bearerFormat: "JWT" },
    },
  },
});

const uriTooLong = (): ProblemError =>
  new ProblemError("URI_TOO_LONG", `the URL has more than ${MAX_URL} characters`, {
    next: "shorten the query",
  });

const noRoute = (method: string, url: string): ProblemError =>
  new ProblemError("NOT_FOUND", `there is no ${method} ${url.split("?", 1)[0] ?? ""}`, {
    next: "see /openapi.json",
  });
