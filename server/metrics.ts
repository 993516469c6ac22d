import type { FastifyInstance } from "fastify";
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import { lastSeq } from "../storage/log.ts";
import type { Query } from "../storage/db.ts";

/** What `/metrics` shows, in the Prometheus text format. */
export interface Metrics {
  readonly contentType: string;
  text(): Promise<string>;
  /** Counts and times the requests of an application. */
  watch(app: FastifyInstance): void;
  /** Counts a refused request by its problem code. */
  refused(code: string): void;
  /** Shows the number of open stream sockets. */
  streams(count: () => number): void;
  /** Shows about how many events the server could not post what it should have. */
  postsGivenUp(count: () => number): void;
}

export function createMetrics(query: Query): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const requests = new Counter({
    name: "gridpost_http_requests_total",
    help: "Answered requests by route and status",
    labelNames: ["method", "route", "status"],
    registers,
  });
  const seconds = new Histogram({
    name: "gridpost_http_request_seconds",
    help: "Time from the first byte of a request to its answer",
    labelNames: ["route"],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 10],
    registers,
  });
  const refusals = new Counter({
    name: "gridpost_refused_total",
    help: "Requests without a valid token or the needed scope",
    labelNames: ["code"],
    registers,
  });
  new Gauge({
    name: "gridpost_log_seq",
    help: "Place of the newest event",
    registers,
    async collect() {
      this.set(await lastSeq(query));
    },
  });
  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    watch: (app) => {
      app.addHook("onResponse", (request, reply, done) => {
        const route = request.routeOptions.url ?? "none";
        requests.inc({ method: request.method, route, status: reply.statusCode });
        seconds.observe({ route }, reply.elapsedTime / 1_000);
        done();
      });
    },
    refused: (code) => refusals.inc({ code }),
    streams: (count) =>
      gauge({ registers, name: "gridpost_stream_sockets", help: "Open stream sockets", count }),
    postsGivenUp: (count) =>
      gauge({
        registers,
        name: "gridpost_posts_given_up",
        help: "Events since the start about which the server could not post",
        count,
      }),
  };
}

interface GaugeOf {
  readonly registers: Registry[];
  readonly name: string;
  readonly help: string;
  readonly count: () => number;
}

/** A number that is asked for when the metrics are read. */
function gauge({ registers, name, help, count }: GaugeOf): void {
  new Gauge({
    name,
    help,
    registers,
    collect() {
      this.set(count());
    },
  });
}
