import type { Bench, Line } from "./bench.ts";
import { loadSends, type LoadResult, startBareServer, startMailServer } from "./mail-http.ts";
import { type MailStore, reader, withMail, word } from "./mail-store.ts";
import { closedLoop, rateOf, type Timed } from "./measure.ts";
import { wakeUps } from "./wake-up.ts";

const CONNECTIONS = 32;
const SECONDS = 8;
const ROUNDS = 3;
const READS = 2_000;
const SEARCHES = 100;

type Print = (line: Line) => void;

export const bench: Bench = {
  method:
    "sends over HTTP to a whole server in its own process: authentication, idempotency keys, archive writer and search index on, synchronous=FULL, 500 bytes to one recipient. Bare: Fastify, the same body through zod, one group-committed insert; own and bare take turns, the ratio is the median over the rounds. Inbox and search through the handlers over filled stores; wake-up from the call that sends to the frame on a WebSocket.",
  run: async (print) => {
    await sends(print);
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
    print({ what: "bare server", unit: "/s", ...valued(median(rounds.map(([, other]) => other))) });
    const ratio = ratios.toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? 0;
    print({ what: "durable sends, of bare", unit: "x", value: ratio, floor: 0.25 });
    print(latency("send -> frame at the recipient", await wakeUps(own, 500)));
  } finally {
    await own.stop();
    await bare.stop();
  }
}

const median = (results: readonly LoadResult[]): LoadResult =>
  results.toSorted((a, b) => a.perSecond - b.perSecond)[Math.floor(results.length / 2)] ?? {
    perSecond: 0,
    p50: 0,
    p99: 0,
  };

const valued = ({ perSecond: value, p50, p99 }: LoadResult) => ({ value, p50, p99 });

function latency(what: string, timed: Timed): Line {
  const { perSecond: value, p50, p99 } = rateOf([timed]);
  return { what, value, unit: "/s", p50, p99 };
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
          ...caller(),
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
    for (const [what, q] of Object.entries(QUERIES)) {
      const timed = await one(SEARCHES, () => search(store, q));
      print(latency(`search at ${messages}: ${what}`, timed));
    }
  });
}

const search = (store: MailStore, q: string) =>
  store.search({
    params: { project: "default" },
    query: { q, order: "relevance", limit: 20 },
    ...caller(),
  });

const caller = () => ({
  principal: reader,
  idempotency: null,
  signal: new AbortController().signal,
});

const one = (calls: number, call: (n: number) => Promise<unknown>): Promise<Timed> => {
  let n = 0;
  return closedLoop({ callers: 1, calls, call: async () => void (await call((n += 1))) });
};
