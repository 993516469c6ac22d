import { expect, it } from "vitest";
import type { Api } from "../../agent-cli/api.ts";
import { followSweep, type Sweep } from "../../agent-cli/follow-sweep.ts";

it("a sweep that is followed by its name stays the one that it was, whatever is submitted under that name", async () => {
  const asked: string[] = [];
  const seen: string[] = [];
  const api = ((_: string, { params }: { params: { sweep: string } }) => {
    asked.push(params.sweep);
    const id = params.sweep === "nightly" && asked.length > 1 ? "second" : "first";
    const state = asked.length > 2 ? "cancelled" : "active";
    return Promise.resolve({ sweep: id, state, states: { queued: asked.length } });
  }) as unknown as Api;
  const onChange = ({ sweep }: Sweep): void => void seen.push(sweep);
  const last = await followSweep({ api, project: "default", sweep: "nightly", onChange });
  expect(last).toMatchObject({ sweep: "first", state: "cancelled" });
  expect(asked).toEqual(["nightly", "first", "first"]);
  expect(seen).toEqual(["first", "first", "first"]);
});
