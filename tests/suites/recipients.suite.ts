import { describe, expect, it } from "vitest";
import type { Driver } from "../support/drivers.ts";
import { type Caller, type PostOffice, usePostOffice } from "../support/post-office.ts";

/** Who gets a message, on every driver. */
export function recipientsSuite(driver: Driver): void {
  describe(`recipients on ${driver.name}`, () => {
    const office = usePostOffice(driver);
    describe("groups", () => groups(office));
    describe("limits", () => limits(office));
    describe("everybody", () => everybody(office));
    describe("contacts", () => contacts(office));
  });
}

const note = { subject: "build", body: "done" };
const policy = (name: string, to: "open" | "contacts" | "closed") => ({
  params: { name },
  body: { policy: to },
});
const got = async (who: Caller): Promise<number> => (await who.inbox()).messages.length;

function groups(office: () => PostOffice): void {
  it("reaches the members once, not the sender, and keeps who they were", async () => {
    const { red, blue, green } = await office().agents("red", "blue", "green", "gray");
    const body = { name: "perf", members: ["red", "BLUE", "green"] };
    expect((await red.createGroup({ body })).members).toEqual(["blue", "green", "red"]);
    const sent = await red.send({ body: { to: ["@Perf"], cc: ["green"], ...note } });
    expect(sent.recipients.map(({ agent }) => agent)).toEqual(["blue", "green"]);
    expect(await blue.message({ params: { message: sent.id } })).toMatchObject({ to: ["@Perf"] });
    await red.changeGroup({ params: { group: "perf" }, body: { add: ["gray"], remove: ["blue"] } });
    await red.send({ body: { to: ["@perf"], ...note } });
    expect([await got(blue), await got(green), await got(office().agent("gray"))]).toEqual([
      1, 2, 1,
    ]);
  });

  it("skips members that are retired or closed, and says so", async () => {
    const { red } = await office().agents("red", "blue", "green", "gray");
    const anna = office().user("anna");
    await anna.createGroup({ body: { name: "perf", members: ["blue", "green", "gray"] } });
    await anna.retireAgent({ params: { name: "blue" } });
    await anna.setPolicy(policy("gray", "closed"));
    const sent = await red.send({ body: { to: ["@perf"], ...note } });
    expect(sent.recipients).toEqual([{ agent: "green", seq: 1 }]);
    expect(sent.skipped).toEqual([
      { agent: "blue", reason: "retired" },
      { agent: "gray", reason: "policy" },
    ]);
  });

  it("is changed by the user that made it and its agents only, and unknown ones get a suggestion", async () => {
    const { red } = await office().agents("red");
    await office()
      .user("anna")
      .createGroup({ body: { name: "perf" } });
    const change = { params: { group: "perf" }, body: { add: ["red"] } };
    await expect(office().user("bert").changeGroup(change)).rejects.toMatchObject({
      code: "FORBIDDEN",
    });
    await expect(red.send({ body: { to: ["@pref"], ...note } })).rejects.toMatchObject({
      code: "NOT_FOUND",
      message: expect.stringContaining('did you mean "perf"'),
    });
  });
}

function limits(office: () => PostOffice): void {
  const many = async (count: number): Promise<string[]> => {
    const names = Array.from({ length: count }, (_, i) => `agent-${i}`);
    const profile = { owner: "user:anna", program: null, model: null, task: null, node: null };
    const [type, project, actor] = ["agent.registered", "default", "user:anna"] as const;
    await office().log.tx([], async (tx) => {
      for (const name of names)
        await tx.append({ type, project, actor, body: { name, ...profile } });
    });
    return names;
  };

  it("lets a group of a thousand be written to, also from within, and not one more than that", async () => {
    const { red } = await office().agents("red", "blue");
    const members = await many(1_000);
    await red.createGroup({ body: { name: "big", members } });
    expect((await red.send({ body: { to: ["@big"], ...note } })).recipients).toHaveLength(1_000);
    const within = await office()
      .agent("agent-0")
      .send({ body: { to: ["@BIG"], cc: ["RED"], ...note } });
    expect(within.recipients).toHaveLength(1_000);
    await expect(red.send({ body: { to: ["@big"], cc: ["blue"], ...note } })).rejects.toMatchObject(
      {
        code: "BAD_REQUEST",
        message: expect.stringContaining("at most 1000"),
      },
    );
  });

  it("counts the recipients of to, cc and bcc together, each once, and answers a repetition with all of them", async () => {
    const { red } = await office().agents("red");
    const names = await many(1_001);
    const body = { to: names.slice(0, 600), cc: names.slice(500, 900), ...note };
    const all = { ...body, bcc: names.slice(800, 1_000) };
    const sent = await red.send({ body: all }, { key: "k" });
    expect(sent.recipients).toHaveLength(1_000);
    expect(await red.send({ body: all }, { key: "k" })).toEqual(sent);
    await expect(red.send({ body: { ...body, bcc: names.slice(800) } })).rejects.toMatchObject({
      code: "BAD_REQUEST",
      message: expect.stringContaining("1001 recipients"),
    });
  });
}

function everybody(office: () => PostOffice): void {
  it("reaches every live agent but the sender once, however often the reader repeats", async () => {
    const names = Array.from({ length: 450 }, (_, i) => `agent-${i}`);
    await office().agents("red", "old", "shy", ...names);
    const red = office().agent("red");
    const anna = office().user("anna");
    await anna.retireAgent({ params: { name: "old" } });
    await anna.setPolicy(policy("shy", "closed"));
    const sent = await red.send({ body: { to: ["@all"], ...note } }, { key: "k" });
    expect(sent).toMatchObject({ recipients: [], count: 450 });
    expect((await red.receipts({ params: { message: sent.id } })).pending).toBe(true);
    await office().fanOut();
    await office().db.tx([], async (query) => {
      await query("update e_cursors set seq = 0");
    });
    await office().fanOut();
    const { receipts, skipped, pending } = await red.receipts({ params: { message: sent.id } });
    expect([receipts.length, skipped, pending]).toEqual([
      450,
      [{ agent: "shy", reason: "policy" }],
      false,
    ]);
    expect([await got(red), await got(office().agent("agent-449"))]).toEqual([0, 1]);
    expect((await red.send({ body: { to: ["@all"], ...note } }, { key: "k" })).id).toBe(sent.id);
  });

  it("counts those whom it may reach", async () => {
    const { red } = await office().agents("red", "blue", "green", "gray", "pink");
    const anna = office().user("anna");
    const answer = (name: string, body: { accept: boolean; ttlMs?: number }) =>
      anna.answerContact({ params: { name, peer: "red" }, body });
    for (const name of ["blue", "green", "gray"]) await anna.setPolicy(policy(name, "contacts"));
    await answer("blue", { accept: true });
    await answer("green", { accept: false });
    await answer("gray", { accept: true, ttlMs: 60_000 });
    const count = async () => (await red.send({ body: { to: ["@all"], ...note } })).count;
    expect(await count()).toBe(3);
    office().clock.advance(60_000);
    expect(await count()).toBe(2);
    await office().fanOut();
    expect([await got(office().agent("blue")), await got(office().agent("gray"))]).toEqual([2, 0]);
  });

  it.each(["all", "Everyone", "@everybody", "@ALL"])(
    "is told to whoever writes to %s by the name that it has",
    async (name) => {
      const { red } = await office().agents("red");
      await expect(red.send({ body: { to: [name], ...note } })).rejects.toMatchObject({
        next: "to write to everybody send to @all",
      });
    },
  );

  it("stands alone, and a reply to all does not go to it", async () => {
    const { red, blue } = await office().agents("red", "blue");
    const mixed = red.send({ body: { to: ["@all", "blue"], ...note } });
    await expect(mixed).rejects.toMatchObject({ code: "BAD_REQUEST" });
    await red.send({ body: { to: ["@all"], ...note } });
    await office().fanOut();
    const reply = await blue.reply({ params: { message: "1" }, body: { body: "ok", all: true } });
    expect(reply.recipients).toEqual([{ agent: "red", seq: 1 }]);
  });
}

function contacts(office: () => PostOffice): void {
  it("lets approved contacts through, until the approval ends", async () => {
    const { red, blue } = await office().agents("red", "blue");
    const anna = office().user("anna");
    await anna.setPolicy(policy("blue", "contacts"));
    const body = { to: ["blue"], ...note };
    await expect(red.send({ body })).rejects.toMatchObject({
      code: "CONTACT_REQUIRED",
      details: [{ agent: "blue" }],
      next: "ask to be let in: gridpost contact request blue",
    });
    const ask = { params: { name: "blue" }, body: { reason: "to plan" } };
    expect(await red.requestContact(ask)).toMatchObject({ peer: "red", state: "pending" });
    await expect(red.send({ body })).rejects.toMatchObject({
      code: "CONTACT_REQUIRED",
      next: "wait: you have asked, and the answer is its owner's: gridpost contact ls",
    });
    const answer = { params: { name: "blue", peer: "red" }, body: { accept: true, ttlMs: 60_000 } };
    await expect(office().user("bert").answerContact(answer)).rejects.toMatchObject({
      code: "FORBIDDEN",
    });
    await anna.answerContact(answer);
    await red.send({ body });
    office().clock.advance(60_000);
    await expect(red.send({ body })).rejects.toMatchObject({ code: "CONTACT_REQUIRED" });
    expect((await blue.contacts({ params: { name: "blue" } })).contacts).toMatchObject([
      { agent: "blue", peer: "red", state: "expired", reason: "to plan" },
    ]);
  });

  it("is not got around by sharing a thread, and lets an answer to one's own message in", async () => {
    const { red, blue, green } = await office().agents("red", "blue", "green");
    await green.send({ body: { to: ["red", "blue"], thread: "plan", ...note } });
    await office().user("anna").setPolicy(policy("blue", "contacts"));
    const shared = { to: ["blue"], thread: "plan", ...note };
    await expect(red.send({ body: shared })).rejects.toMatchObject({ code: "CONTACT_REQUIRED" });
    const all = await red.reply({ params: { message: "1" }, body: { body: "hi", all: true } });
    expect(all.skipped).toEqual([{ agent: "blue", reason: "policy" }]);
    await blue.send({ body: { to: ["red"], ...note } });
    const reply = await red.reply({ params: { message: "2" }, body: { body: "yes" } });
    expect(reply.recipients).toEqual([{ agent: "blue", seq: 2 }]);
  });

  it("names the first of many unknown recipients", async () => {
    const { red } = await office().agents("red", "blue");
    const to = ["blu", ...Array.from({ length: 999 }, (_, i) => `stranger-${i}`)];
    await expect(red.send({ body: { to, ...note } })).rejects.toMatchObject({
      code: "AGENT_NOT_FOUND",
      message: expect.stringMatching(
        /^project default has no agent "blu"; did you mean "blue"\?, "stranger-0", "stranger-1", nor 997 more$/,
      ),
      details: { length: 1_000 },
    });
  });

  it("announces a request once, without the words of the one who asks, and none to a closed agent", async () => {
    const { red, blue } = await office().agents("red", "blue");
    const anna = office().user("anna");
    const ask = { params: { name: "blue" }, body: { reason: "look here" } };
    const subjects = async () => (await blue.inbox()).messages.map(({ subject }) => subject);
    await anna.setPolicy(policy("blue", "closed"));
    await red.requestContact(ask);
    office().clock.advance(7 * 86_400_000);
    expect(await subjects()).toEqual([]);

    await anna.setPolicy(policy("blue", "contacts"));
    await red.requestContact(ask);
    await red.requestContact(ask);
    expect(await subjects()).toEqual(["red asks to write to you"]);
    expect((await blue.message({ params: { message: "1" } })).body).not.toContain("look here");
    await anna.answerContact({ params: { name: "blue", peer: "red" }, body: { accept: false } });
    for (let again = 0; again < 3; again += 1) {
      await red.requestContact(ask);
      office().clock.advance(7 * 86_400_000);
    }
    expect(await subjects()).toHaveLength(1);
  });

  it("keeps out whom it denied, also an answer to what it wrote to it, until it approves", async () => {
    const { red, blue } = await office().agents("red", "blue");
    const anna = office().user("anna");
    await anna.setPolicy(policy("blue", "contacts"));
    await blue.send({ body: { to: ["red"], ...note } });
    const answer = (accept: boolean) =>
      anna.answerContact({ params: { name: "blue", peer: "red" }, body: { accept } });
    const reply = () => red.reply({ params: { message: "1" }, body: { body: "listen" } });
    await answer(false);
    await expect(reply()).rejects.toMatchObject({ code: "CONTACT_REQUIRED" });
    await red.requestContact({ params: { name: "blue" }, body: {} });
    await expect(reply()).rejects.toMatchObject({ code: "CONTACT_REQUIRED" });
    await answer(true);
    expect((await reply()).recipients).toHaveLength(1);
  });

  it("takes no request of an agent to itself, and no answer to one", async () => {
    const { red } = await office().agents("red");
    const refusal = { code: "BAD_REQUEST", message: "red may always write to itself" };
    const ask = red.requestContact({ params: { name: "red" }, body: {} });
    await expect(ask).rejects.toMatchObject(refusal);
    const answer = { params: { name: "red", peer: "red" }, body: { accept: true } };
    await expect(office().user("anna").answerContact(answer)).rejects.toMatchObject(refusal);
    expect((await red.contacts({ params: { name: "red" } })).contacts).toEqual([]);
  });

  it("refuses everybody when closed, the agent itself excepted", async () => {
    const { red, blue } = await office().agents("red", "blue");
    await office().user("anna").setPolicy(policy("blue", "closed"));
    const body = { to: ["blue"], ...note };
    await expect(red.send({ body })).rejects.toMatchObject({
      code: "CONTACT_REQUIRED",
      message: "blue is closed to mail from others",
    });
    expect((await blue.send({ body })).recipients).toHaveLength(1);
  });
}
