import type { Principal } from "../contract/handlers.ts";
import type { Bench, Line } from "./bench.ts";
import { coldInbox } from "./cold-start.ts";
import {
  loadSends,
  type LoadResult,
  type MailServer,
  startBareServer,
  startMailServer,
} from "./mail-http.ts";
import { guest, type MailStore, reader, withMail, word } from "./mail-store.ts";
import { closedLoop, type Rate, rateOf, type Timed } from "./measure.ts";
import { storeSends } from "./send-store.ts";
import { wakeUps } from "./wake-up.ts";

const CONNECTIONS = 32;
const SECONDS = 8;
const ROUNDS = 3;
const READS = 2_000;
const SEARCHES = 100;
/** Up to so many messages the time of a search is bounded. */
const SEARCH_BOUNDED = 15_000;

type Print = (line: Line) => void;

export const bench: Bench = {
  method:
    "sends over HTTP to a whole server in its own process: authentication, idempotency keys, archive writer and search index on, synchronous=FULL, 500 bytes to one recipient. Bare: Fastify, the same body through zod, one group-committed insert; own and bare take turns, the ratio is the median over the rounds. The same sends through the handler alone, beside their statements replayed by better-sqlite3. Inbox and search through the handlers over filled stores whose index has rested for five seconds; wake-up from the call that sends to the frame on a WebSocket. Cold inbox: the compiled command in a process of its own, in turns with `node -e 0`.",
  run: async (print) => {
    await sends(print);
    await sendsInStore(print);
    await inboxPages(print);
    for (const messages of [15_000, 100_000]) await searches(print, messages);
  },
};

async function sends(print: Print): Promise<void> {
  const own = await startMailServer();
  const bare = await startBareServer();
  try {
    const load = { connections: CONNECTIONS, seconds: SECONDS };
    const sendOwn = { ...load, ...own, path: "/v1/projects/default/messages" };
    const sendBare = { ...load, url: bare.url, path: "/send", tokens: [] };
    // Both programs are compiled by their engine before they are measured.
    await loadSends({ ...sendOwn, seconds: SECONDS / 2 });
    await loadSends({ ...sendBare, seconds: SECONDS / 2 });
    const rounds: [LoadResult, LoadResult][] = [];
    for (let round = 0; round < ROUNDS; round += 1)
      rounds.push([await loadSends(sendOwn), await loadSends(sendBare)]);
    const ratios = rounds.map(([one, other]) => one.perSecond / other.perSecond);
    const middle = median(rounds.map(([one]) => one));
    print({
      what: `durable sends, ${CONNECTIONS} connections`,
      unit: "/s",
      floor: 3_000,
      ...valued(middle),
    });
    print({ what: "durable sends, p99", unit: "ms", value: middle.p99, ceiling: 30 });
    print({ what: "bare server", unit: "/s", ...valued(median(rounds.map(([, other]) => other))) });
    const ratio = ratios.toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? 0;
    print({ what: "durable sends, of bare", unit: "x", value: ratio, floor: 0.25 });
    bounded(print, "send -> frame at the recipient", {
      rate: rateOf([await wakeUps(own, 500)]),
      p50: 5,
      p99: 25,
    });
    await coldStart(print, own);
  } finally {
    await own.stop();
    await bare.stop();
  }
}

/** A command that agents run for every look at their mail must not take much longer than Node itself. */
async function coldStart(print: Print, server: MailServer): Promise<void> {
  const { cli, node, times } = await coldInbox(server);
  print(rated("cold gridpost inbox", cli));
  print(rated("cold node -e 0", node));
  print({ what: "cold inbox, times node -e 0", unit: "x", value: times, ceiling: 4 });
}

async function sendsInStore(print: Print): Promise<void> {
  const { one, other, ratio } = await storeSends(CONNECTIONS);
  print(rated(`sends in the store, ${CONNECTIONS} waiting`, one));
  print(rated("sends in the store, raw", other));
  print({ what: "sends in the store, of raw", unit: "x", value: ratio });
}

const median = (results: readonly LoadResult[]): LoadResult =>
  results.toSorted((a, b) => a.perSecond - b.perSecond)[Math.floor(results.length / 2)] ?? {
    perSecond: 0,
    p50: 0,
    p99: 0,
  };

const valued = ({ perSecond: value, p50, p99 }: LoadResult) => ({ value, p50, p99 });

const rated = (what: string, rate: Rate): Line => ({ what, unit: "/s", ...valued(rate) });

const latency = (what: string, timed: Timed): Line => rated(what, rateOf([timed]));

interface Bounded {
  readonly rate: Rate;
  /** The most that is good enough, in milliseconds. */
  readonly p50?: number;
  readonly p99: number;
}

/** Prints a rate, then the times that are bounded. */
function bounded(print: Print, what: string, { rate, p50, p99 }: Bounded): void {
  print(rated(what, rate));
  if (p50 !== undefined) print({ what: `${what}, p50`, unit: "ms", value: rate.p50, ceiling: p50 });
  print({ what: `${what}, p99`, unit: "ms", value: rate.p99, ceiling: p99 });
}

/** The newest page and one in the middle, each of 50. */
async function inboxPages(print: Print): Promise<void> {
  const p50s: number[] = [];
  for (const messages of [1_000, 100_000]) {
    await withMail(messages, async ({ inbox }) => {
      const timed = await one(READS, (n) =>
        inbox({
          params: { project: "default" },
          query: {
            ...(n % 2 === 0 ? {} : { after: messages / 2 }),
            limit: 50,
            unread: false,
            urgent: false,
            ackOverdue: false,
            wait: 0,
          },
          ...caller(reader),
        }),
      );
      print(latency(`inbox page at ${messages} messages`, timed));
      p50s.push(rateOf([timed]).p50);
    });
  }
  const [small = 1, large = 1] = p50s;
  print({
    what: "inbox page, speed at 100,000 of that at 1,000",
    unit: "x",
    value: small / large,
    floor: 1 / 1.5,
  });
}

const QUERIES = {
  "a word of 1 %": "regression",
  "a phrase": `"${word(3)} ${word(40)}"`,
  "prefix AND NOT": `regress* NOT ${word(20)}`,
  "filter and OR": `from:writer (${word(900)} OR ${word(1_200)})`,
  "a word of every message": word(1),
} as const;

async function searches(print: Print, messages: number): Promise<void> {
  await withMail(messages, async (store) => {
    const measure = async (what: string, find: () => Promise<unknown>): Promise<void> => {
      const timed = await one(SEARCHES, find);
      const name = `search at ${messages}: ${what}`;
      if (messages > SEARCH_BOUNDED) print(latency(name, timed));
      else bounded(print, name, { rate: rateOf([timed]), p99: 10 });
    };
    for (const [what, q] of Object.entries(QUERIES))
      await measure(what, () => search(store, q, reader));
    await measure("a word of every message, of 2 %", () => search(store, word(1), guest));
  });
}

const search = (store: MailStore, q: string, principal: Principal) =>
  store.search({
    params: { project: "default" },
    query: { q, order: "relevance", limit: 20 },
    ...caller(principal),
  });

const caller = (principal: Principal) => ({
  principal,
  idempotency: null,
  signal: new AbortController().signal,
});

const one = (calls: number, call: (n: number) => Promise<unknown>): Promise<Timed> => {
  let n = 0;
  return closedLoop({ callers: 1, calls, call: async () => void (await call((n += 1))) });
};
