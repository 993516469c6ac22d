import { describe, expect, it } from "vitest";
import { openHub } from "../../server/hub.ts";
import type { News } from "../../storage/tail.ts";

describe("the hub", () => {
  it("wakes the others when one whom it wakes fails, and tells of the failure", async () => {
    const errors: unknown[] = [];
    let happen: (news: News) => void = () => undefined;
    const hub = await openHub({
      follow: (listener) => {
        happen = listener;
        return Promise.resolve(() => Promise.resolve());
      },
      topics: { topicsOfType: (type) => [type], isTypeTopic: () => true, topicsOf: () => [] },
      onTypes: () => undefined,
      onError: (error) => errors.push(error),
    });
    const woken: string[] = [];
    const failure = new Error("it cannot look");
    hub.subscribe("a", () => woken.push("before"));
    hub.subscribe("a", () => {
      throw failure;
    });
    hub.subscribe("a", () => woken.push("after"));
    hub.subscribe("b", () => woken.push("other"));
    happen(null);
    expect(woken).toEqual(["before", "after", "other"]);
    expect(errors).toEqual([failure]);
    await hub.stop();
  });
});
