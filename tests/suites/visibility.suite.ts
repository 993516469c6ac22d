import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Driver } from "../support/drivers.ts";
import { type Caller, type PostOffice, usePostOffice } from "../support/post-office.ts";

const NAMES = ["red", "blue", "green", "gray"] as const;
type Name = (typeof NAMES)[number];

interface Letter {
  readonly from: Name;
  readonly to: readonly Name[];
  readonly cc: readonly Name[];
  readonly bcc: readonly Name[];
  /** A name; or "new" for a thread without one, "last" for the last of these. */
  readonly thread: string;
  readonly open: boolean;
}

interface Sent extends Letter {
  readonly id: string;
}

/** Who sees what, and that nothing is lost, on every driver. */
export function visibilitySuite(driver: Driver): void {
  describe(`visibility on ${driver.name}`, () => {
    const office = usePostOffice(driver);

    it("is on every read path what a brute-force model says", () => everyReadPath(office()));

    it("keeps every inbox gapless and complete while 50 agents write at once", () =>
      everybodyWrites(office()));
  });
}

const some = (minLength: number) => fc.subarray([...NAMES], { minLength, maxLength: 3 });
const letter: fc.Arbitrary<Letter> = fc.record({
  from: fc.constantFrom(...NAMES),
  to: some(1),
  cc: some(0),
  bcc: some(0),
  thread: fc.constantFrom("a", "b", "new", "new", "last"),
  open: fc.boolean(),
});

/** The same rules, written the slow and obvious way. */
class Model {
  readonly sent: Sent[] = [];
  private readonly prefix: string;
  private readonly open = new Map<string, boolean>();
  private last: string | undefined;

  /** @param prefix of the names of this run's threads */
  constructor(prefix: string) {
    this.prefix = prefix;
  }

  /** The id of the thread that a letter goes to; undefined for one that gets its id by it. */
  threadOf({ thread }: Letter): string | undefined {
    if (thread === "new") return undefined;
    return thread === "last" ? this.last : this.prefix + thread;
  }

  accepts(one: Letter): boolean {
    const thread = this.threadOf(one);
    const isOpen = thread === undefined ? undefined : this.open.get(thread);
    if (isOpen === undefined || isOpen) return true;
    const members = this.sent.filter((other) => other.thread === thread);
    return !one.open && members.some((other) => this.concerns(other, one.from));
  }

  add(one: Letter, id: string): void {
    const named = this.threadOf(one);
    const thread = named ?? id;
    if (named === undefined) this.last = id;
    if (!this.open.has(thread)) this.open.set(thread, one.open);
    this.sent.push({ ...one, thread, id });
  }

  isThread = (thread: string): boolean => this.open.has(thread);

  sees(one: Sent, who: readonly Name[]): boolean {
    return this.open.get(one.thread) === true || who.some((name) => this.concerns(one, name));
  }

  private concerns({ from, to, cc, bcc }: Letter, name: Name): boolean {
    return from === name || [...to, ...cc, ...bcc].includes(name);
  }
}

async function everyReadPath(office: PostOffice): Promise<void> {
  const agents = await office.agents(...NAMES);
  const viewers: [Caller, readonly Name[]][] = NAMES.map((name) => [agents[name], [name]]);
  viewers.push([office.user("anna"), NAMES], [office.user("bert"), []]);
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(letter, { maxLength: 12 }), async (letters) => {
      const model = new Model(`t${(runs += 1)}-`);
      for (const one of letters) await sendOne(agents, model, one);
      for (const [caller, who] of viewers) await compare(caller, who, model);
    }),
    { numRuns: 25 },
  );
}

async function sendOne(agents: Record<Name, Caller>, model: Model, one: Letter): Promise<void> {
  const { from, to, cc, bcc, open } = one;
  const lists = { to: [...to], cc: [...cc], bcc: [...bcc] };
  const body = { ...lists, subject: "s", thread: model.threadOf(one), open };
  const accepted = model.accepts(one);
  const sent = await agents[from].send({ body }).catch(() => null);
  expect(sent !== null).toBe(accepted);
  if (sent !== null) model.add(one, sent.id);
}

async function compare(caller: Caller, who: readonly Name[], model: Model): Promise<void> {
  const expected = model.sent.filter((one) => model.sees(one, who));
  const shown: string[] = [];
  for (const one of model.sent) {
    const message = await caller.message({ params: { message: one.id } }).catch(() => null);
    if (message === null) continue;
    shown.push(one.id);
    expect(message.bcc === undefined).toBe(!who.includes(one.from));
  }
  const ids = expected.map(({ id }) => id);
  expect(shown).toEqual(ids);
  const listed = await caller.threads({ query: { limit: 500 } });
  const threads = listed.threads.filter(({ thread }) => model.isThread(thread));
  expect(threads.map(({ thread }) => thread).toSorted()).toEqual(
    [...new Set(expected.map(({ thread }) => thread))].toSorted(),
  );
  const inThreads: string[] = [];
  for (const { thread, messages: count } of threads) {
    const { messages } = await caller.thread({ params: { thread }, query: { limit: 500 } });
    expect(messages).toHaveLength(count);
    inThreads.push(...messages.map(({ id }) => id));
  }
  expect(inThreads.toSorted()).toEqual(ids.toSorted());
}

async function everybodyWrites(office: PostOffice): Promise<void> {
  const names = Array.from({ length: 50 }, (_, i) => `agent-${i}`);
  const agents = Object.values(await office.agents(...names));
  const rounds = Array.from({ length: 20 }, (_, round) => round);
  const sent = await Promise.all(
    agents.flatMap((agent, i) =>
      rounds.map((round) => {
        const to = [1, 7, 13].map((step) => names[(i + step * (round + 1)) % 50] ?? "");
        const request = { body: { to, subject: `${i}/${round}` } };
        const key = { key: `${i}-${round}` };
        // Every third is repeated, as a client does that lost the answer.
        if (round % 3 === 0) void agent.send(request, key);
        return agent.send(request, key);
      }),
    ),
  );
  const places = new Map<string, number[]>(names.map((name) => [name, []]));
  for (const { recipients } of sent)
    for (const { agent, seq } of recipients) places.get(agent)?.push(seq);
  for (const seqs of places.values()) {
    const gapless = Array.from({ length: seqs.length }, (_, i) => i + 1);
    expect(seqs.toSorted((a, b) => a - b)).toEqual(gapless);
  }
  const { messages } = (await agents[0]?.inbox({ query: { after: 0, limit: 500 } })) ?? {
    messages: [],
  };
  expect(messages.map(({ seq }) => seq)).toEqual(messages.map((_, i) => i + 1));
}
