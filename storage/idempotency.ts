import type { CallContext } from "../contract/handlers.ts";
import { newId } from "../contract/ids.ts";
import { ProblemError } from "../contract/problem.ts";
import type { Query } from "./db.ts";
import type { EventKey, LogTx } from "./log.ts";

const REMEMBER_MS = 24 * 3_600_000;
/** Every so many remembered calls twice as many rows are looked at, so that the table stays within twice what is remembered. */
const CLEAN_EVERY = 64;
const LOOK_AT = 2 * CLEAN_EVERY;

/** What the server itself did about an event is not done again, however late a reader meets the event again. */
const RECALL = `select endpoint, hash, ref from e_idempotency
  where principal = $1 and key = $2 and (at > $3 or principal = 'server')`;
/** The first event that a reader has not passed. */
const UNREAD =
  "select at from events where seq > (select min(seq) from e_cursors) order by seq limit 1";
/** Rows are looked at in the order of their keys, round and round: an index of times would cost each call more. */
const LAST = `select key, principal from e_idempotency where (key, principal) > ($1, $2)
  order by key, principal limit 1 offset ${LOOK_AT - 1}`;
const FORGET = `delete from e_idempotency
  where (key, principal) > ($1, $2) and (key, principal) <= ($3, $4) and at <= $5`;

interface Place {
  readonly key: string;
  readonly principal: string;
}
const BEFORE_ALL: Place = { key: "", principal: "" };
/** Keys are printable. */
const AFTER_ALL: Place = { key: "\x7f", principal: "" };

/** One call with an `Idempotency-Key`. */
export interface Call {
  readonly principal: string;
  readonly endpoint: string;
  /** `null`: the caller sent no key, so the call simply runs. */
  readonly key: string | null;
  /** Of the request, so that the same key with another one is refused. */
  readonly hash: string;
  /** The id of what the call makes or changes; made before the call (`newId()`) and enough to rebuild the reply. */
  readonly ref: string;
  /** What the decision depends on, as for `Db.tx`. */
  readonly keys: readonly string[];
}

/**
 * Runs `decide` in a transaction, whose first event carries the key; a repeat within 24 h runs `reply` instead, with
 * the `ref` of the first call. The server's own calls, about events, are remembered until no reader comes to the event
 * again. A call that throws is not remembered.
 * @throws ProblemError IDEMPOTENCY_MISMATCH if the key was used for another endpoint or body
 */
export type Once = <T>(
  call: Call,
  decide: (tx: LogTx, ref: string) => Promise<T>,
  reply: (query: Query, ref: string) => Promise<T>,
) => Promise<T>;

/**
 * The `Call` of a handler: with the idempotency key of the request, if it has one.
 * @param ref names what the call makes or changes; a new id when left out
 */
export const callOf = (
  { principal, idempotency }: Pick<CallContext, "principal" | "idempotency">,
  keys: readonly string[],
  ref: string = newId(),
): Call => ({
  principal: principal.id,
  endpoint: idempotency?.endpoint ?? "",
  key: idempotency?.key ?? null,
  hash: idempotency?.hash ?? "",
  ref,
  keys,
});

/** `Log.tx` whose first event carries `key`. */
export type TxWithKey = <T>(
  keys: readonly string[],
  key: EventKey | null,
  fn: (tx: LogTx) => Promise<T>,
) => Promise<T>;

interface Remembered {
  readonly endpoint: string;
  readonly hash: string;
  readonly ref: string;
}

export function idempotency(tx: TxWithKey): Once {
  const forgetExpired = forgetting();
  let remembered = 0;
  return async (call, decide, reply) => {
    const { principal, endpoint, key, hash, ref, keys } = call;
    if (key === null) return tx(keys, null, (one) => decide(one, ref));
    const lock = `idempotency:${principal}:${key}`;
    return tx([...keys, lock], { key, endpoint, hash, ref }, async (one) => {
      const earlier = await recall(one, principal, key);
      if (earlier !== undefined) {
        refuseMismatch(earlier, call);
        return reply(one.query, earlier.ref);
      }
      const result = await decide(one, ref);
      await remember(one, call);
      if (remembered++ % CLEAN_EVERY === 0) await forgetExpired(one);
      return result;
    });
  };
}

async function recall(
  { query, now }: LogTx,
  principal: string,
  key: string,
): Promise<Remembered | undefined> {
  const [row] = await query<Remembered>(RECALL, [principal, key, now - REMEMBER_MS]);
  return row;
}

function refuseMismatch(earlier: Remembered, { endpoint, hash, key }: Call): void {
  if (earlier.endpoint === endpoint && earlier.hash === hash) return;
  const what =
    earlier.endpoint === endpoint ? "another request" : `another call (${earlier.endpoint})`;
  throw new ProblemError(
    "IDEMPOTENCY_MISMATCH",
    `the idempotency key ${key} was already used for ${what}`,
    {
      details: [{ key, endpoint: earlier.endpoint }],
      next: "send a new key with a new request; repeat a request with exactly its first body",
    },
  );
}

async function remember(
  { query, now }: LogTx,
  { principal, key, endpoint, hash, ref }: Call,
): Promise<void> {
  await query(
    `insert into e_idempotency (principal, key, endpoint, hash, ref, at) values ($1, $2, $3, $4, $5, $6)
     on conflict (key, principal)
     do update set endpoint = excluded.endpoint, hash = excluded.hash, ref = excluded.ref, at = excluded.at`,
    [principal, key, endpoint, hash, ref, now],
  );
}

/** A key of the server is no older than its event: it goes once every reader has passed the events of its time. */
function forgetting(): (tx: LogTx) => Promise<void> {
  let place = BEFORE_ALL;
  return async ({ query, now }) => {
    const from = place;
    const [last] = await query<Place>(LAST, [from.key, from.principal]);
    place = last ?? BEFORE_ALL;
    const to = last ?? AFTER_ALL;
    const [unread] = await query<{ at: number }>(UNREAD);
    const until = Math.min(now - REMEMBER_MS, (unread?.at ?? Infinity) - 1);
    await query(FORGET, [from.key, from.principal, to.key, to.principal, until]);
  };
}
