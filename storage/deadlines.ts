import type { Log, LogTx, OnDeadline } from "./log.ts";

/** `setTimeout` fires at once for anything longer. */
const MAX_TIMER_MS = 2 ** 31 - 1;
const BATCH = 200;
const FIRST_BACKOFF_MS = 1_000;
const MAX_BACKOFF_MS = 60_000;

/** What happens when a deadline of one kind is due. */
export interface DeadlineKind {
  readonly fire: OnDeadline;
  /** What the handler's decision depends on, as for `Db.tx`. */
  readonly keys?: (subject: string) => readonly string[];
  /** Does not fire before a freeze ends: expiry that a silent network, not the subject, may have caused. */
  readonly freezable?: boolean;
}

export type DeadlineKinds = Readonly<Record<string, DeadlineKind>>;

interface Deadline {
  readonly kind: string;
  readonly subject: string;
  readonly due: number;
}

interface Failure {
  readonly count: number;
  readonly retryAt: number;
}

/** Hears of a handler that threw, with its deadline, or with null of a look for what is due that failed. */
type OnError = (error: unknown, deadline: Deadline | null) => void;

/** The one loop that fires deadlines: a timer for the next due row, moved forward when an earlier one is set. */
export class DeadlineLoop {
  private readonly log: Log;
  private readonly kinds: DeadlineKinds;
  private readonly failures = new Map<string, Failure>();
  private frozenUntil = 0;
  private onError: OnError | undefined;
  private timer: NodeJS.Timeout | undefined;
  private armedFor = Infinity;
  private firing: Promise<number> | undefined;

  constructor(log: Log, kinds: DeadlineKinds) {
    this.log = log;
    this.kinds = kinds;
  }

  /** Starts the timer. Whatever `onError` hears of is tried again after a pause. */
  start(onError: OnError): void {
    this.onError = onError;
    this.arm(this.log.now());
  }

  /** Stops the timer and waits for the handlers in flight. */
  async stop(): Promise<void> {
    this.onError = undefined;
    clearTimeout(this.timer);
    await this.firing;
  }

  /** Freezable kinds do not fire before `ms` (milliseconds since the epoch, by `now_ms()`). */
  freezeUntil(ms: number): void {
    this.frozenUntil = ms;
    this.poke(ms);
  }

  /** A deadline at `due` was set; moves the timer if it is armed for later. */
  poke(due: number): void {
    if (this.onError !== undefined && due < this.armedFor) this.arm(due);
  }

  /** Fires every deadline that is due now; returns how many. Calls at the same time share one pass. */
  fireDue(): Promise<number> {
    this.firing ??= this.fireAll().finally(() => {
      this.firing = undefined;
    });
    return this.firing;
  }

  private arm(at: number): void {
    clearTimeout(this.timer);
    this.armedFor = at;
    if (at === Infinity) return;
    const wait = Math.min(Math.max(at - this.log.now(), 0), MAX_TIMER_MS);
    this.timer = setTimeout(() => void this.wake(), wait);
    this.timer.unref();
  }

  private async wake(): Promise<void> {
    this.armedFor = Infinity;
    let next: number;
    const now = this.log.now();
    try {
      // A pass that is under way may have come past what this one is for.
      await this.firing;
      if (this.onError === undefined) return;
      await this.fireDue();
      next = await this.nextDue(now);
    } catch (error) {
      this.onError?.(error, null);
      next = now + FIRST_BACKOFF_MS;
    }
    if (this.onError !== undefined && next < this.armedFor) this.arm(next);
  }

  private async fireAll(): Promise<number> {
    this.forgetOldFailures();
    let fired = 0;
    let after: Deadline = { kind: "", subject: "", due: -1 };
    for (;;) {
      const page = await this.page(after);
      const results = await Promise.all(page.map((deadline) => this.fire(deadline)));
      fired += results.filter(Boolean).length;
      const last = page.at(-1);
      if (last === undefined || page.length < BATCH) return fired;
      after = last;
    }
  }

  private page(after: Deadline): Promise<Deadline[]> {
    return this.log.query<Deadline>(
      `select kind, subject, due from e_deadlines
       where due <= $1 and (due, kind, subject) > ($2, $3, $4) order by due, kind, subject limit $5`,
      [this.log.now(), after.due, after.kind, after.subject, BATCH],
    );
  }

  private async fire(deadline: Deadline): Promise<boolean> {
    const { kind, subject, due } = deadline;
    const rule = this.kinds[kind];
    const id = JSON.stringify([kind, subject]);
    if (rule === undefined || this.waits(rule, id)) return false;
    const keys = rule.keys?.(subject) ?? [`deadline:${kind}:${subject}`];
    try {
      const fired = await this.log.tx(keys, (tx) => fireOne(tx, deadline, rule.fire));
      this.failures.delete(id);
      return fired;
    } catch (error) {
      const count = (this.failures.get(id)?.count ?? 0) + 1;
      const pause = Math.min(FIRST_BACKOFF_MS * 2 ** (count - 1), MAX_BACKOFF_MS);
      this.failures.set(id, { count, retryAt: this.log.now() + pause });
      this.onError?.(error, { kind, subject, due });
      return false;
    }
  }

  /** A deadline that failed and was cleared or moved since leaves nothing behind. */
  private forgetOldFailures(): void {
    const before = this.log.now() - MAX_BACKOFF_MS;
    for (const [id, { retryAt }] of this.failures) if (retryAt < before) this.failures.delete(id);
  }

  private waits(rule: DeadlineKind, id: string): boolean {
    const now = this.log.now();
    if (rule.freezable === true && now < this.frozenUntil) return true;
    return now < (this.failures.get(id)?.retryAt ?? 0);
  }

  /** When to look again after a pass at `now`: the next due row, the end of a back-off, or the end of the freeze. */
  private async nextDue(now: number): Promise<number> {
    const [row] = await this.log.query<{ due: number | null }>(
      "select min(due) as due from e_deadlines where due > $1",
      [now],
    );
    const retries = [...this.failures.values()]
      .map(({ retryAt }) => retryAt)
      .filter((at) => at > now);
    const frozen = this.frozenUntil > now ? this.frozenUntil : Infinity;
    return Math.min(row?.due ?? Infinity, frozen, ...retries);
  }
}

async function fireOne(
  tx: LogTx,
  { kind, subject, due }: Deadline,
  fire: OnDeadline,
): Promise<boolean> {
  const gone = await tx.query(
    "delete from e_deadlines where kind = $1 and subject = $2 and due = $3 returning subject",
    [kind, subject, due],
  );
  if (gone.length === 0) return false;
  await fire(tx, subject, due);
  return true;
}
