import { describe, expect, it } from "vitest";
import { mcpSessions } from "../../server/mcp/sessions.ts";
import { drivers } from "../support/drivers.ts";
import { useBench } from "../support/log-bench.ts";

const DAY = 86_400_000;
const binding = { project: "app", agent: "blue" };

describe.each(drivers.map((driver) => [driver.name, driver] as const))(
  "MCP sessions on %s",
  (_name, driver) => {
    const bench = useBench(driver);

    it("keep their agent for as long as they are used", async () => {
      const { log, clock, db } = bench();
      const sessions = mcpSessions(log);
      const id = await sessions.open("user:anna");
      await sessions.bind(id, binding);
      const usedAt = async (): Promise<number | undefined> =>
        (await db.query<{ at: number }>("select at from e_mcp_sessions where id = $1", [id]))[0]
          ?.at;

      for (let day = 0; day < 10; day += 1) {
        clock.advance(DAY / 2);
        const before = await usedAt();
        expect(await sessions.binding(id, "user:anna")).toEqual(binding);
        if (day === 0) expect(await usedAt(), "a read that writes nothing").toBe(before);
        clock.advance(DAY / 2 + 1);
        expect(await sessions.binding(id, "user:anna")).toEqual(binding);
        expect(await usedAt()).toBe(log.now());
        await sessions.open("user:bob");
      }
    });

    it("are forgotten after a week without use, when another begins", async () => {
      const { log, clock } = bench();
      const sessions = mcpSessions(log);
      const id = await sessions.open("user:anna");
      clock.advance(7 * DAY + 1);
      await sessions.open("user:bob");
      await expect(sessions.binding(id, "user:anna")).rejects.toMatchObject({ code: "NOT_FOUND" });
    });

    it("are not kept by another principal", async () => {
      const { log, clock } = bench();
      const sessions = mcpSessions(log);
      const id = await sessions.open("user:anna");
      clock.advance(4 * DAY);
      await expect(sessions.binding(id, "user:bob")).rejects.toMatchObject({ code: "NOT_FOUND" });
      clock.advance(4 * DAY);
      await sessions.open("user:bob");
      await expect(sessions.binding(id, "user:anna")).rejects.toMatchObject({ code: "NOT_FOUND" });
    });
  },
);
