import { expect, it } from "vitest";
import { ProblemError } from "../../contract/problem-error.ts";
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

it("a server that is away is told at once, unless it has just taken the sweep", async () => {
  const answers = [
    () => {
      throw new ProblemError("UNAVAILABLE", "the server is stopping");
    },
    () => ({ sweep: "one", state: "finished", states: {} }),
  ];
  const askedAgain = () => {
    const left = [...answers];
    return (() => Promise.resolve().then(() => left.shift()?.())) as unknown as Api;
  };
  const followed = { project: "default", sweep: "one", onChange: () => undefined };
  await expect(followSweep({ ...followed, api: askedAgain() })).rejects.toThrow("is stopping");
  const taken = followSweep({ ...followed, api: askedAgain(), submitted: true });
  expect(await taken).toMatchObject({ state: "finished" });
});

it("a sweep is followed on while the server is restarted behind a proxy, which answers for it", async () => {
  const answers = [
    () => ({ sweep: "one", state: "active", states: {} }),
    () => {
      throw new ProblemError("UNAVAILABLE", "the server answered 502 without a readable body");
    },
    () => ({ sweep: "one", state: "finished", states: {} }),
  ];
  const api = (() => Promise.resolve().then(() => answers.shift()?.())) as unknown as Api;
  const followed = { api, project: "default", sweep: "one", onChange: () => undefined };
  expect(await followSweep(followed)).toMatchObject({ state: "finished" });
  const gone = (() =>
    Promise.reject(new ProblemError("NOT_FOUND", "there is no sweep"))) as unknown as Api;
  await expect(followSweep({ ...followed, api: gone })).rejects.toThrow("there is no sweep");
});
