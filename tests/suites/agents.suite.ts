import { describe, expect, it } from "vitest";
import type { Driver } from "../support/drivers.ts";
import { type PostOffice, usePostOffice } from "../support/post-office.ts";

/** What can be done with agents, on every driver. */
export function agentsSuite(driver: Driver): void {
  describe(`agents on ${driver.name}`, () => agents(usePostOffice(driver)));
}

const note = { subject: "build", body: "done" };
function agents(office: () => PostOffice): void {
  it("registers an agent of the calling user, and renews its profile when it comes back", async () => {
    const anna = office().user("anna");
    const first = await anna.registerAgent({ body: { name: "blue", model: "m1" } });
    expect(first).toMatchObject({
      name: "blue",
      project: "default",
      owner: "user:anna",
      model: "m1",
    });
    const again = await anna.registerAgent({ body: { name: "blue", model: "m2" } });
    expect(again).toMatchObject({ model: "m2", registeredAt: first.registeredAt });
  });

  it("refuses a name that another user has, whatever its case", async () => {
    await office().agents("blue");
    const taken = office()
      .user("bert")
      .registerAgent({ body: { name: "BLUE" } });
    await expect(taken).rejects.toMatchObject({ code: "NAME_TAKEN" });
  });

  it.each([
    ["anna@example.org", "e-mail"],
    ["claude-code", "program"],
    ["gpt-5", "model"],
    ["all", "everybody"],
    ["YOUR_AGENT_NAME", "placeholder"],
    ["gridpost", "reserved"],
    ["-x", "letters, digits"],
  ])("says what is wrong with the name %s", async (name, word) => {
    const refused = office().user("anna").registerAgent({ body: { name } });
    await expect(refused).rejects.toMatchObject({
      code: "BAD_REQUEST",
      message: expect.stringContaining(word),
    });
  });

  it.each(["program", "model", "task"])("refuses a %s that no UTF-8 holds", async (field) => {
    for (const text of ["a\0b", "a\ud800b"]) {
      const refused = office()
        .user("anna")
        .registerAgent({ body: { name: "blue", [field]: text } });
      await expect(refused).rejects.toThrow("NUL characters or lone surrogates");
    }
  });

  it("lists agents by name in pages, and one's own alone", async () => {
    await office().agents("red", "blue", "Green");
    await office()
      .user("bert")
      .registerAgent({ body: { name: "apple" } });
    const anna = office().user("anna");
    const first = await anna.agents({ query: { limit: 3 } });
    expect(first.agents.map(({ name }) => name)).toEqual(["apple", "blue", "Green"]);
    const second = await anna.agents({ query: { limit: 3, after: first.next ?? "" } });
    expect(second).toMatchObject({ agents: [{ name: "red" }], next: null });
    const own = await anna.agents({ query: { mine: "true" } });
    expect(own.agents.map(({ name }) => name)).toEqual(["blue", "Green", "red"]);
  });

  it("lets only the owner retire an agent, which then gets no more mail", async () => {
    const { red } = await office().agents("red", "blue");
    const blue = { params: { name: "blue" } };
    await expect(office().user("bert").retireAgent(blue)).rejects.toMatchObject({
      code: "FORBIDDEN",
    });
    expect((await office().user("anna").retireAgent(blue)).retiredAt).not.toBeNull();
    await expect(red.send({ body: { to: ["blue"], ...note } })).rejects.toMatchObject({
      code: "AGENT_RETIRED",
      details: [{ agent: "blue" }],
    });
  });

  it("makes up a name that nobody has, also for many at once", async () => {
    const anna = office().user("anna");
    const made = await Promise.all(Array.from({ length: 200 }, () => anna.registerAgent()));
    expect(new Set(made.map(({ name }) => name.toLowerCase())).size).toBe(200);
    expect(made[0]?.name).toMatch(/^[A-Z][a-z]+[A-Z][a-z]+(\d{4})?$/);
  });

  it("answers a repeated registration without a name with the same agent", async () => {
    const anna = office().user("anna");
    const first = await anna.registerAgent({ body: {} }, { key: "k" });
    expect(await anna.registerAgent({ body: {} }, { key: "k" })).toEqual(first);
  });

  it("brings a retired agent back, which keeps its mail", async () => {
    const { red, blue } = await office().agents("red", "blue");
    await red.send({ body: { to: ["blue"], ...note } });
    const anna = office().user("anna");
    await anna.retireAgent({ params: { name: "blue" } });
    expect((await anna.unretireAgent({ params: { name: "blue" } })).retiredAt).toBeNull();
    await red.send({ body: { to: ["blue"], ...note } });
    expect((await blue.inbox()).messages).toHaveLength(2);
  });
}
