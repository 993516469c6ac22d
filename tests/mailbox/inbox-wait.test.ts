import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { inboxHandlers } from "../../mailbox/inbox.ts";
import type { Wait } from "../../mailbox/ports.ts";
import { drivers, type OpenedDb } from "../support/drivers.ts";
import { openMigrated } from "../support/log-bench.ts";
import { agentPrincipal, openPostOffice } from "../support/post-office.ts";

describe.each(drivers)("a wait for mail, by $name,", (driver) => {
  let opened: OpenedDb;
  beforeEach(async () => {
    opened = await openMigrated(driver);
  });
  afterEach(() => opened.close());

  it("listens no longer than its call, which may be refused", async () => {
    const office = openPostOffice(opened);
    await office.agents("blue");
    const signals: AbortSignal[] = [];
    const wait: Wait = (_inbox, { signal }) => {
      signals.push(signal);
      return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
    };
    const { inbox } = inboxHandlers({ log: office.log, wait });
    const asked = inbox({
      params: { project: "default" },
      query: {
        after: 99,
        limit: 20,
        wait: 60_000,
        unread: false,
        urgent: false,
        ackOverdue: false,
      },
      principal: agentPrincipal("blue"),
      idempotency: null,
      signal: new AbortController().signal,
    });
    await expect(asked).rejects.toMatchObject({ code: "BAD_REQUEST" });
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
  });
});
