import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { agentHandlers } from "../../mailbox/agent-handlers.ts";
import { agentsOwnedBy } from "../../mailbox/agents.ts";
import { viewerOf } from "../../mailbox/visibility.ts";
import type { Query } from "../../storage/db.ts";
import type { EventLog } from "../../storage/event-log.ts";
import { drivers, type OpenedDb } from "../support/drivers.ts";
import { openMigrated } from "../support/log-bench.ts";
import { userPrincipal } from "../support/post-office.ts";

describe.each(drivers)("what a user owns, by $name,", (driver) => {
  let opened: OpenedDb;
  let plan: string;
  /** Asks how a query would be answered, and answers nothing. */
  const explain = (async (text, values) => {
    const steps = await opened.db.query<{ detail: string }>(`explain query plan ${text}`, values);
    plan = steps.map(({ detail }) => detail).join("; ");
    return [];
  }) as Query;
  const anna = userPrincipal("anna");
  beforeEach(async () => {
    opened = await openMigrated(driver);
  });
  afterEach(() => opened.close());

  it.each([
    ["seen", () => viewerOf(explain, anna, "default")],
    ["counted", () => agentsOwnedBy(explain, anna.id, "default")],
    ["listed", () => listed()],
  ])("is %s without a walk through the agents of the project", async (_how, ask) => {
    await ask();
    expect(plan).toContain("INDEX p_agents_by_owner (owner=? AND project=?");
  });

  const listed = () =>
    agentHandlers({ query: explain } as EventLog).agents({
      params: { project: "default" },
      query: { after: undefined, limit: 50, mine: true },
      principal: anna,
      idempotency: null,
      signal: new AbortController().signal,
    });
});
