import { createHash } from "node:crypto";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MAX_RANKED, type SearchIndex } from "../../storage/search.ts";
import type { Driver, OpenedDb } from "../support/drivers.ts";
import { openMigrated } from "../support/log-bench.ts";
import { type Caller, openPostOffice, type PostOffice } from "../support/post-office.ts";

/** What search does on every driver. */
export function searchSuite(driver: Driver): void {
  describe(`search on ${driver.name}`, () => {
    let opened: OpenedDb;
    let index: SearchIndex;
    let office: PostOffice;
    let agents: Record<"red" | "blue" | "green", Caller>;
    beforeAll(async () => {
      opened = await openMigrated(driver);
      index = opened.openSearch();
      office = openPostOffice({ ...opened, search: index });
      agents = await office.agents("red", "blue", "green");
      await write();
    });
    afterAll(async () => {
      await index.close();
      await opened.close();
    });

    async function write(): Promise<void> {
      const { red, blue } = agents;
      const content = Buffer.from("log");
      await red.putAttachment({ content });
      const sha256 = createHash("sha256").update(content).digest("hex");
      await red.send({ body: { to: ["blue"], subject: "memory", body: "It ran out of memory." } });
      office.clock.advance(3_600_000);
      const attachments = [{ sha256, name: "run.log" }];
      const more = { importance: "urgent" as const, attachments, thread: "oom" };
      await red.send({
        body: {
          to: ["green"],
          bcc: ["blue"],
          subject: "crash",
          body: "migration: <b>memory</b> of pre-commit",
          ...more,
        },
      });
      office.clock.advance(3_600_000);
      await blue.send({
        body: { to: ["red"], subject: "café", body: "memory memory memory", open: true },
      });
    }
    const subjects = async (who: Caller, q: string, order: "relevance" | "recent" = "recent") =>
      (await who.search({ query: { q, order } })).results.map(({ subject }) => subject);

    it.each([
      ["memory", ["café", "crash", "memory"]],
      ['"out of memory"', ["memory"]],
      ["mig*", ["crash"]],
      ["memory NOT out", ["café", "crash"]],
      ["NOT memory", []],
      ["cafe", ["café"]],
      ["pre-commit OR ran", ["crash", "memory"]],
      ["from:BLUE", ["café"]],
      ["memory -from:red", ["café"]],
      ["to:green", ["crash"]],
      ["thread:oom", ["crash"]],
      ["importance:urgent memory", ["crash"]],
      ["has:attachment", ["crash"]],
      ["after:90m", ["café", "crash"]],
      ["before:90m", ["memory"]],
      ["", ["café", "crash", "memory"]],
    ])("finds by %s", async (q, found) => {
      expect(await subjects(agents.red, q)).toEqual(found);
    });

    it("finds what the caller sees and nothing else", async () => {
      expect(await subjects(agents.green, "memory")).toEqual(["café", "crash"]);
      expect(await subjects(office.user("bert"), "memory")).toEqual(["café"]);
      expect(await subjects(office.user("anna"), "memory")).toEqual(["café", "crash", "memory"]);
    });

    it("does not tell a bcc by to:", async () => {
      expect(await subjects(agents.green, "to:blue")).toEqual([]);
      expect(await subjects(agents.blue, "to:blue")).toEqual(["crash", "memory"]);
    });

    it("finds what was written to a group or to everybody, a group in bcc by its sender alone", async () => {
      const { red, blue, green } = agents;
      await red.createGroup({ body: { name: "Perf", members: ["blue", "green"] } });
      await red.createGroup({ body: { name: "leads", members: ["blue"] } });
      await red.send({ body: { to: ["@perf"], subject: "to all of perf" } });
      await red.send({ body: { to: ["green"], cc: ["@Perf"], subject: "and the rest" } });
      await red.send({ body: { to: ["green"], bcc: ["@leads"], subject: "quiet" } });
      await red.send({ body: { to: ["@all"], subject: "news" } });
      await office.fanOut();
      expect(await subjects(blue, "to:@PERF")).toEqual(["and the rest", "to all of perf"]);
      expect(await subjects(blue, "to:@perf -to:green")).toEqual([]);
      expect(await subjects(green, "to:@all OR to:@perf")).toEqual([
        "news",
        "and the rest",
        "to all of perf",
      ]);
      const bcc = await Promise.all([red, blue, green].map((who) => subjects(who, "to:@leads")));
      expect(bcc).toEqual([["quiet"], [], []]);
      expect(await subjects(blue, "quiet -to:@leads")).toEqual(["quiet"]);
    });

    it("ranks a word in the subject above one in the body, and shows where it was found", async () => {
      await agents.blue.send({ body: { to: ["red"], subject: "x", body: "the tensor shape" } });
      await agents.blue.send({ body: { to: ["red"], subject: "tensor", body: "the x shape" } });
      await agents.blue.send({ body: { to: ["red"], subject: "y", body: "the y shape" } });
      const { results } = await agents.red.search({ query: { q: "tensor" } });
      expect(results.map(({ snippet }) => snippet)).toEqual(["**tensor**", "the **tensor** shape"]);
    });

    it("pages without a gap while mail comes in", async () => {
      const first = await agents.red.search({ query: { q: "memory", order: "recent", limit: 1 } });
      await agents.blue.send({ body: { to: ["red"], subject: "later", body: "memory" } });
      const rest = await agents.red.search({
        query: { q: "memory", order: "recent", after: first.next ?? "" },
      });
      expect(rest.results.map(({ subject }) => subject)).toEqual(["crash", "memory"]);
      expect(await subjects(agents.red, "later")).toEqual(["later"]);
    });

    it("ranks the newest of very many, says so, and still finds everything", async () => {
      const { blue, red, green } = agents;
      await blue.send({ body: { to: ["green"], subject: "ubiquitous", body: "for green" } });
      const best = { subject: "ubiquitous ubiquitous", body: "rare" };
      await blue.send({ body: { to: ["red"], ...best } });
      // From one to the other and back: no inbox takes them all.
      const send = (_: unknown, n: number) =>
        (n % 2 === 0 ? blue : red).send({
          body: {
            to: [n % 2 === 0 ? "red" : "blue"],
            subject: `s ${n}`,
            body: "an ubiquitous word",
          },
        });
      await Promise.all(Array.from({ length: MAX_RANKED - 1 }, send));
      const query = { q: "ubiquitous", limit: 50 };
      const all = await red.search({ query });
      expect(all.results[0]?.subject).toBe(best.subject);
      expect(all.results[0]?.snippet).toBe("**ubiquitous** **ubiquitous**");
      await send(undefined, MAX_RANKED);
      const newest = await red.search({ query });
      expect(newest.results).toHaveLength(50);
      expect(newest.results.map(({ subject }) => subject)).not.toContain(best.subject);
      expect(newest.notes.join()).toContain(`the newest ${MAX_RANKED} of them were ranked`);

      const pages = new Set<string>();
      for (let after: string | null | undefined; after !== null;) {
        const more = after === undefined ? {} : { after };
        const page = await red.search({ query: { ...query, limit: 100, ...more } });
        for (const { id } of page.results) pages.add(id);
        after = page.next;
      }
      expect(pages.size).toBe(MAX_RANKED);
      expect(await subjects(red, "ubiquitous rare", "relevance")).toEqual([best.subject]);
      // What one may not see does not stand in the way of what one may.
      expect(await green.search({ query })).toMatchObject({
        results: [{ subject: "ubiquitous" }],
        notes: [],
      });
    });

    it("answers any text", async () => {
      await fc.assert(
        fc.asyncProperty(fc.string({ unit: "binary", maxLength: 80 }), async (q) => {
          await agents.red.search({ query: { q } });
        }),
        { numRuns: 200 },
      );
    });
  });

  describe(`search on ${driver.name} for one who sees little of much`, () => {
    let opened: OpenedDb;
    let index: SearchIndex;
    let agents: Record<"red" | "blue" | "green", Caller>;
    beforeAll(async () => {
      opened = await openMigrated(driver);
      index = opened.openSearch();
      const office = openPostOffice({ ...opened, search: index });
      agents = await office.agents("red", "blue", "green");
      const { red, blue, green } = agents;
      const kernel = { body: "the kernel ran" };
      for (let n = 0; n < 60; n += 1)
        await red.send({ body: { to: ["blue"], subject: `hidden ${n}`, ...kernel } });
      await red.createGroup({ body: { name: "perf", members: ["green"] } });
      await red.send({ body: { to: ["green"], subject: "named", ...kernel } });
      await red.send({ body: { to: ["blue"], bcc: ["green"], subject: "bcc", ...kernel } });
      await red.send({ body: { to: ["@perf"], subject: "group", ...kernel } });
      await red.send({ body: { to: ["@all"], subject: "all", ...kernel } });
      await office.fanOut();
      const open = { thread: "plans", subject: "open", ...kernel };
      await red.send({ body: { to: ["blue"], open: true, ...open } });
      await blue.send({ body: { to: ["red"], ...open, subject: "open, later" } });
      await green.send({ body: { to: ["red"], subject: "own", body: "no such word" } });
    });
    afterAll(async () => {
      await index.close();
      await opened.close();
    });

    const seen = ["open, later", "open", "all", "group", "bcc", "named"];
    it.each([
      ["kernel", seen],
      ["kern*", seen],
      ["kernel NOT later", seen.slice(1)],
      ["NOT later", ["own", ...seen.slice(1)]],
      ["from:red", seen.slice(1)],
      ["", ["own", ...seen]],
      // The index knows the parties by words of its own.
      ["x*", []],
    ])("finds all of it by %s", async (q, found) => {
      const subjects = async (order: "recent" | "relevance") =>
        (await agents.green.search({ query: { q, order } })).results.map(({ subject }) => subject);
      expect(await subjects("recent")).toEqual(found);
      expect((await subjects("relevance")).toSorted()).toEqual(found.toSorted());
    });

    it("shows the words that were found, and nothing of the parties", async () => {
      const { results } = await agents.green.search({ query: { q: "kernel" } });
      expect(new Set(results.map(({ snippet }) => snippet))).toEqual(
        new Set(["the **kernel** ran"]),
      );
    });
  });
}
