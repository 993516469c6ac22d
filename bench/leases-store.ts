import type { Principal } from "../contract/handlers.ts";
import { newId } from "../contract/ids.ts";
import { reservationsDeadlines } from "../reservations/deadlines.ts";
import { reservationsHandlers } from "../reservations/handlers.ts";
import { reservationsProjection } from "../reservations/projection.ts";
import { DEFAULT_LEASE_SETTINGS } from "../reservations/settings.ts";
import type { Db } from "../storage/db.ts";
import { openLog } from "../storage/event-log.ts";
import { migrate } from "../storage/migrate.ts";

export const params = { project: "default" };
const HOUR = 3_600_000;

/** Leases over a database, called as the server calls them, without HTTP. */
export type LeaseStore = ReturnType<typeof reservationsHandlers>;

export async function openLeaseStore(db: Db): Promise<LeaseStore> {
  await migrate(db);
  const context = { dialect: db.dialect, settings: DEFAULT_LEASE_SETTINGS };
  const log = openLog({
    db,
    projections: [reservationsProjection],
    deadlines: reservationsDeadlines(context),
  });
  return reservationsHandlers({
    log,
    settings: DEFAULT_LEASE_SETTINGS,
    agents: { describe: () => Promise.resolve(new Map()) },
    wait: () => Promise.resolve(),
  });
}

/** A caller without an idempotency key. */
export function as(name: string) {
  const id = `agent:default/${name}`;
  const principal: Principal = {
    id,
    kind: "agent",
    name,
    project: "default",
    act: null,
    actor: id,
    scopes: new Set(),
  };
  return { principal, idempotency: null, signal: new AbortController().signal };
}

export const files = (...patterns: string[]) =>
  patterns.map((pattern) => ({ kind: "file" as const, repo: "app", pattern }));

export const order = (pattern: string, ref: string) => ({
  resources: files(pattern),
  mode: "exclusive" as const,
  refs: [ref],
  ttlMs: HOUR,
  partial: false,
});

/**
 * The n-th lease of the mix: 90 % paths and directories, 9 % globs below a directory, 1 % that start with `**`. Those are
 * on another branch: whatever starts with `**` meets every plain path, because a plain path covers what lies below it.
 */
export function mixed(n: number): { readonly pattern: string; readonly ref: string } {
  const folder = `packages/p${n % 97}/src/module-${n}`;
  const kind = n % 100;
  if (kind === 99) return { pattern: `**/generated-${n}.json`, ref: "release" };
  if (kind >= 90) return { pattern: `${folder}/**/*.ts`, ref: "main" };
  return { pattern: kind % 3 === 0 ? folder : `${folder}/index.ts`, ref: "main" };
}

/** Takes the first `count` leases of the mix, each of another agent's. */
export async function fill(store: LeaseStore, count: number): Promise<void> {
  for (let n = 0; n < count; n += 250) {
    const some = Array.from({ length: Math.min(250, count - n) }, (_, i) => n + i);
    await Promise.all(
      some.map((one) => {
        const { pattern, ref } = mixed(one);
        return store.acquire({ params, body: order(pattern, ref), ...as(`holder-${one % 50}`) });
      }),
    );
  }
}

/** Opens sessions with so many leases each; returns them. */
export async function openSessions(store: LeaseStore, sessions: number, leases: number) {
  const opened: { session: string; name: string; leases: string[] }[] = [];
  for (let n = 0; n < sessions; n += 1) {
    const session = newId();
    const name = `session-${n}`;
    const taken = await Promise.all(
      Array.from({ length: leases }, (_, i) =>
        store.acquire({
          params,
          body: { ...order(`s${n}/file-${i}`, "main"), session },
          ...as(name),
        }),
      ),
    );
    opened.push({ session, name, leases: taken.map(({ id }) => id) });
  }
  return opened;
}
