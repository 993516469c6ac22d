import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { eventText, storedText } from "../../archive/chain.ts";
import { entriesOf } from "../../archive/entry.ts";
import type { EventKey, LoggedEvent, StoredEvent } from "../../storage/log.ts";
import { message } from "./support.ts";

const event = (fields: Partial<LoggedEvent>): LoggedEvent => ({
  seq: 7,
  id: "0198c0de-0000-7000-8000-000000000000",
  v: 1,
  type: "message.sent",
  project: "default",
  actor: "agent:default/blue",
  at: 1_800_000_000_000,
  key: null,
  body: {},
  ...fields,
});

const stored = ({ key, body, ...rest }: LoggedEvent): StoredEvent => ({
  ...rest,
  key: key === null ? null : JSON.stringify(key),
  body: JSON.stringify(body),
});

describe("the archive of stored events", () => {
  it("holds the line that the parsed event makes, byte for byte", () => {
    const events = fc.record({
      seq: fc.nat(),
      type: fc.string({ unit: "binary" }),
      actor: fc.string({ unit: "binary" }),
      project: fc.option(fc.string()),
      key: fc.option(fc.dictionary(fc.string(), fc.string()) as fc.Arbitrary<unknown>),
      body: fc.object({ withNullPrototype: false, key: fc.string({ unit: "binary" }) }),
    }) as fc.Arbitrary<Partial<LoggedEvent> & { readonly key: EventKey | null }>;
    fc.assert(
      fc.property(events, (fields) => {
        const one = event(fields);
        const text = storedText(stored(one));
        expect(text).toBe(eventText(one));
        expect(text).toBe(eventText(JSON.parse(text) as LoggedEvent));
      }),
    );
  });

  it("makes a file of every message that may be in an open thread, and of no other", () => {
    const named = (open: boolean | null, fields: object = {}): string[] =>
      entriesOf(stored(event({ body: { ...message({ open }), ...fields } }))).map(
        ({ branch = "" }) => branch,
      );
    expect(named(true, { thread: "t" })).toEqual(["t"]);
    expect(named(null, { thread: "t" })).toEqual(["t"]);
    expect(named(false)).toEqual([]);
    const odd = '","open":false,"';
    expect(named(true, { thread: odd })).toEqual([odd]);
    expect(named(true, { thread: "t", payload: { open: false }, body: odd })).toEqual(["t"]);
    expect(named(false, { thread: odd })).toEqual([]);
  });
});
