import { describe, expect, it } from "vitest";
import type { DeadlineKinds } from "../../storage/deadlines.ts";
import type { LogTx } from "../../storage/log.ts";
import type { Driver } from "../support/drivers.ts";
import { add, type Bench, useBench } from "../support/log-bench.ts";

/** What the deadline loop does on every driver. */
export function deadlinesSuite(driver: Driver): void {
  describe(`deadlines on ${driver.name}`, () => {
    const bench = useBench(driver);
    firing(bench);
    retrying(bench);
  });
}

function firing(bench: () => Bench): void {
  it("fires a deadline when it is due, once, in a transaction that may append", async () => {
    const { clock, seqs, withDeadlines } = bench();
    const fired: string[] = [];
    const fire = async (tx: LogTx, subject: string, due: number): Promise<void> => {
      await add(tx, subject);
      fired.push(`${subject} ${due - clock.now()}`);
    };
    const log = withDeadlines({ expiry: { fire } });
    await log.tx([], (tx) => tx.setDeadline("expiry", "a", tx.now + 1_000));
    clock.advance(999);
    expect(await log.deadlines.fireDue()).toBe(0);
    clock.advance(1);
    expect(await log.deadlines.fireDue()).toBe(1);
    expect(await log.deadlines.fireDue()).toBe(0);
    expect(fired).toEqual(["a 0"]);
    expect(await seqs()).toEqual([1]);
  });

  it("forgets a cleared deadline, and takes the last of several times", async () => {
    const { clock, withDeadlines } = bench();
    const fired: string[] = [];
    const kind = (name: string): DeadlineKinds[string] => ({
      fire: (_tx, subject) => Promise.resolve(void fired.push(`${name} ${subject}`)),
    });
    const log = withDeadlines({ expiry: kind("expiry"), grace: kind("grace") });
    await log.tx([], async (tx) => {
      for (const subject of ["cleared", "moved"])
        await tx.setDeadline("expiry", subject, tx.now + 10);
      await tx.setDeadline("grace", "cleared", tx.now + 10);
      await tx.clearDeadline("expiry", "cleared");
      await tx.setDeadline("expiry", "moved", tx.now + 20);
    });
    clock.advance(10);
    await log.deadlines.fireDue();
    expect(fired).toEqual(["grace cleared"]);
    clock.advance(10);
    await log.deadlines.fireDue();
    expect(fired).toEqual(["grace cleared", "expiry moved"]);
  });

  it("does not fire a deadline that was moved after it was found due", async () => {
    const { clock, withDeadlines } = bench();
    const fired: string[] = [];
    const fire = async (tx: LogTx, subject: string): Promise<void> => {
      fired.push(subject);
      await tx.setDeadline("expiry", "second", tx.now + 1_000);
    };
    const log = withDeadlines({ expiry: { fire } });
    await log.tx([], async (tx) => {
      await tx.setDeadline("expiry", "first", tx.now);
      await tx.setDeadline("expiry", "second", tx.now + 1);
    });
    clock.advance(1);
    expect(await log.deadlines.fireDue()).toBe(1);
    expect(fired).toEqual(["first"]);
  });

  it("refuses to set a kind that nobody handles", async () => {
    const set = bench().log.tx([], (tx) => tx.setDeadline("unknown", "a", tx.now));
    await expect(set).rejects.toMatchObject({ code: "INTERNAL" });
  });

  it("fires more deadlines than fit into one page", async () => {
    const { clock, withDeadlines } = bench();
    const fired = new Set<string>();
    const log = withDeadlines({
      expiry: { fire: (_tx, subject) => Promise.resolve(void fired.add(subject)) },
    });
    await log.tx([], async (tx) => {
      for (let i = 0; i < 450; i += 1) await tx.setDeadline("expiry", `s${i}`, tx.now + (i % 7));
    });
    clock.advance(10);
    expect(await log.deadlines.fireDue()).toBe(450);
    expect(fired.size).toBe(450);
  });
}

function retrying(bench: () => Bench): void {
  it("backs off a deadline whose handler fails, and fires the others", async () => {
    const { clock, seqs, withDeadlines } = bench();
    let broken = true;
    const fire = async (tx: LogTx, subject: string): Promise<void> => {
      await add(tx, subject);
      if (broken && subject === "bad") throw new Error("broken handler");
    };
    const log = withDeadlines({ expiry: { fire } });
    await log.tx([], async (tx) => {
      for (const subject of ["bad", "good"]) await tx.setDeadline("expiry", subject, tx.now);
    });
    expect(await log.deadlines.fireDue()).toBe(1);
    broken = false;
    expect(await log.deadlines.fireDue()).toBe(0);
    clock.advance(1_000);
    expect(await log.deadlines.fireDue()).toBe(1);
    expect(await seqs()).toEqual([1, 2]);
  });

  it("holds back freezable kinds until the freeze ends, and no others", async () => {
    const { clock, withDeadlines } = bench();
    const fired: string[] = [];
    const fire = (_tx: LogTx, subject: string): Promise<void> =>
      Promise.resolve(void fired.push(subject));
    const log = withDeadlines({ lost: { fire, freezable: true }, ack: { fire } });
    log.deadlines.freezeUntil(clock.now() + 300_000);
    await log.tx([], async (tx) => {
      await tx.setDeadline("lost", "node", tx.now);
      await tx.setDeadline("ack", "message", tx.now);
    });
    await log.deadlines.fireDue();
    expect(fired).toEqual(["message"]);
    clock.advance(300_000);
    await log.deadlines.fireDue();
    expect(fired).toEqual(["message", "node"]);
  });

  it("fires what becomes due behind the place that a pass has come to", async () => {
    const { clock, withDeadlines } = bench();
    const fired: string[] = [];
    const note = (_tx: LogTx, subject: string): Promise<void> =>
      Promise.resolve(void fired.push(subject));
    const log = withDeadlines({
      silent: {
        fire: (tx, subject, due) => tx.setDeadline("expired", `${subject} after grace`, due + 1),
      },
      slow: { fire: note },
      expired: { fire: note },
    });
    await log.tx([], async (tx) => {
      await tx.setDeadline("silent", "lease", tx.now);
      for (let i = 0; i < 450; i += 1) await tx.setDeadline("slow", `${i}`, tx.now + 10);
    });
    clock.advance(1_000);
    log.deadlines.start((error) => fired.push(String(error)));
    await expect.poll(() => fired.length).toBe(451);
    expect(fired).toContain("lease after grace");
    await log.deadlines.stop();
  });

  it("fires by its own timer once started, also a deadline that is set earlier than the one it waits for", async () => {
    const { clock, withDeadlines } = bench();
    const fired: string[] = [];
    const errors: unknown[] = [];
    const fire = (_tx: LogTx, subject: string): Promise<void> => {
      if (subject === "bad") return Promise.reject(new Error("broken handler"));
      return Promise.resolve(void fired.push(subject));
    };
    const log = withDeadlines({ expiry: { fire } });
    await log.tx([], (tx) => tx.setDeadline("expiry", "far", tx.now + 2 ** 40));
    log.deadlines.start((error) => errors.push(error));
    await log.tx([], (tx) => tx.setDeadline("expiry", "bad", tx.now));
    await expect.poll(() => errors).toHaveLength(1);
    await log.tx([], (tx) => tx.setDeadline("expiry", "soon", tx.now));
    await expect.poll(() => fired).toEqual(["soon"]);
    await log.deadlines.stop();
    clock.advance(2 ** 41);
    await log.tx([], (tx) => tx.setDeadline("expiry", "after stop", tx.now));
    expect(fired).toEqual(["soon"]);
  });

  it("says that it cannot look for what is due, and fires it when it can", async () => {
    const { withDeadlines } = bench();
    const [fired, errors]: [string[], unknown[]] = [[], []];
    const fire = (_tx: LogTx, subject: string): Promise<void> =>
      Promise.resolve(void fired.push(subject));
    const log = withDeadlines({ expiry: { fire } });
    await log.tx([], async (tx) => {
      await tx.setDeadline("expiry", "late", tx.now);
      await tx.query("alter table e_deadlines rename to e_away");
    });
    log.deadlines.start((error, deadline) => errors.push({ error, deadline }));
    await expect.poll(() => errors.length).toBeGreaterThan(0);
    expect(errors[0]).toMatchObject({ deadline: null });
    await log.tx([], (tx) => tx.query("alter table e_away rename to e_deadlines"));
    await expect.poll(() => fired).toEqual(["late"]);
    await log.deadlines.stop();
  });
}
