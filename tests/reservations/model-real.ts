import { expect } from "vitest";
import { reservationsDeadlines } from "../../reservations/deadlines.ts";
import { reservationsHandlers } from "../../reservations/handlers.ts";
import { leasePort, type LeasePort } from "../../reservations/lease-port.ts";
import { reservationsProjection } from "../../reservations/projection.ts";
import { DEFAULT_LEASE_SETTINGS } from "../../reservations/settings.ts";
import type { Db } from "../../storage/db.ts";
import { type EventLog, openLog } from "../../storage/event-log.ts";
import { migrate } from "../../storage/migrate.ts";
import { TestClock } from "../support/clock.ts";
import type { Driver, OpenedDb } from "../support/drivers.ts";
import type { LeaseModel, ModelTicket } from "./lease-model.ts";
import { expectReplayed } from "../support/replayed.ts";
import { agents, as, PROJECT, waitOn } from "./support.ts";

export const params = { project: PROJECT };

interface LeaseRow {
  readonly id: string;
  readonly state: string;
  readonly fence: number;
  readonly holder: string;
  readonly mode: string;
}

/** The real thing under test, which can crash. */
export class RealLeases {
  handlers: ReturnType<typeof reservationsHandlers>;
  log: EventLog;
  private clock: TestClock;
  private port: LeasePort;
  private readonly opened: OpenedDb;
  private readonly driver: Driver;

  constructor(driver: Driver, opened: OpenedDb) {
    this.driver = driver;
    this.opened = opened;
    this.clock = opened.clock;
    [this.log, this.handlers, this.port] = open(opened.db);
  }

  async pass(ms: number): Promise<void> {
    this.clock.advance(ms);
    while ((await this.log.deadlines.fireDue()) > 0);
  }

  jumpWall(ms: number): void {
    this.clock.jumpWall(ms);
  }

  async crash(): Promise<void> {
    this.clock = new TestClock(this.log.now());
    [this.log, this.handlers, this.port] = open(await this.opened.reopen(this.clock));
  }

  async close(): Promise<void> {
    await expectReplayed(this.driver, this.log.db, [reservationsProjection]);
    await this.opened.close();
  }

  /** Everybody who waits comes for the lease; then both sides agree on everything. */
  async agreeWith(model: LeaseModel): Promise<void> {
    await this.visitTickets(model);
    const rows = await this.log.query<LeaseRow>(
      "select id, state, fence, holder, mode from p_leases order by id",
    );
    const known = model.leases.map(({ id, state, fence, holder, mode }) => ({
      id,
      state,
      fence,
      holder: `agent:${PROJECT}/${holder}`,
      mode,
    }));
    expect(rows).toEqual(known.toSorted((a, b) => (a.id < b.id ? -1 : 1)));
    for (const lease of model.leases) {
      const accepted = await this.port.accepts(this.log.query, lease.id, lease.fence);
      expect(accepted).toBe(lease.state === "held" || lease.state === "expired");
    }
    const held = model.held();
    for (const one of held)
      expect(model.rivals(one).filter((rival) => held.includes(rival))).toEqual([]);
  }

  private async visitTickets(model: LeaseModel): Promise<void> {
    const before = model.fence;
    for (const ticket of model.tickets.slice()) {
      const free = model.isFree(ticket, model.tickets.indexOf(ticket));
      const outcome = await this.look(ticket);
      if (outcome === "circle") {
        expect(model.leadsBack(ticket)).toBe(true);
        model.tickets = model.tickets.filter((one) => one !== ticket);
        continue;
      }
      expect([ticket, outcome !== null]).toEqual([ticket, free]);
      if (outcome === null) continue;
      expect(outcome.fence).toBeGreaterThan(before);
      model.tickets = model.tickets.filter((one) => one !== ticket);
      model.take(ticket, outcome);
    }
  }

  private async look({ id, holder }: ModelTicket) {
    try {
      const { lease } = await this.handlers.awaitTicket({
        params: { ...params, ticket: id },
        body: { ms: 0 },
        ...as(holder),
      });
      return lease;
    } catch (error) {
      expect(error).toMatchObject({ code: "WAIT_CYCLE" });
      return "circle";
    }
  }
}

function open(db: Db): [EventLog, ReturnType<typeof reservationsHandlers>, LeasePort] {
  const settings = DEFAULT_LEASE_SETTINGS;
  const context = { dialect: db.dialect, settings };
  const log = openLog({
    db,
    projections: [reservationsProjection],
    deadlines: reservationsDeadlines(context),
  });
  const handlers = reservationsHandlers({ log, settings, agents, wait: waitOn(log) });
  return [log, handlers, leasePort(context)];
}

export async function openReal(driver: Driver): Promise<RealLeases> {
  const opened = await driver.open();
  await migrate(opened.db);
  return new RealLeases(driver, opened);
}
