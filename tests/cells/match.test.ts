import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Candidate,
  couldRun,
  type Demand,
  fitsNow,
  pickGpus,
  ranked,
  type Waiting,
} from "../../cells/match.ts";
import { fellSilentTogether, nodeState } from "../../cells/node-state.ts";
import { gpu, INVENTORY } from "../support/fleet.ts";

const FREE: Demand = {
  gpus: 0,
  vendor: null,
  arch: null,
  memory: null,
  cpus: null,
  labels: {},
  runtime: "any",
};

const waiting = (more: Partial<Waiting> = {}): Waiting => ({
  id: "q",
  project: "p",
  priority: 0,
  submittedAt: 0,
  image: null,
  imageId: null,
  demand: FREE,
  open: 1,
  taken: 0,
  ...more,
});

const gpus = fc.uniqueArray(
  fc.record({
    uuid: fc.constantFrom("a", "b", "c", "d", "e", "f"),
    numaNode: fc.constantFrom(0, 1, null),
    arch: fc.constantFrom("sm_80", "sm_90", null),
  }),
  { selector: ({ uuid }) => uuid },
);

describe("matching", () => {
  test("gives only free GPUs of the kind that is asked for, each once, and on one island if one has enough", () => {
    fc.assert(
      fc.property(
        gpus,
        fc.subarray(["a", "b", "c", "d", "e", "f"]),
        fc.nat({ max: 4 }),
        (some, free, count) => {
          const inventory = {
            ...INVENTORY,
            gpus: some.map(({ uuid, ...more }) => gpu(uuid, more)),
          };
          const demand: Demand = { ...FREE, gpus: count, arch: "sm_90" };
          const usable = some.filter(({ uuid, arch }) => free.includes(uuid) && arch === "sm_90");
          const picked = pickGpus(demand, inventory, free);
          expect(picked === undefined).toBe(usable.length < count);
          if (picked === undefined) return;
          expect(new Set(picked).size).toBe(count);
          const given = usable.filter(({ uuid }) => picked.includes(uuid));
          expect(given).toHaveLength(count);
          const largest = Math.max(
            0,
            ...[0, 1, null].map(
              (island) => usable.filter(({ numaNode }) => numaNode === island).length,
            ),
          );
          if (largest >= count && count > 0)
            expect(new Set(given.map(({ numaNode }) => numaNode)).size).toBe(1);
        },
      ),
    );
  });

  test("never grants now what the node could never run", () => {
    fc.assert(
      fc.property(
        fc.constantFrom<Demand["runtime"]>("docker", "process", "any"),
        fc.subarray<"docker" | "process">(["docker", "process"]),
        fc.record({ runtimes: fc.subarray(["docker", "process"]), slots: fc.nat({ max: 2 }) }),
        (runtime, runtimes, free) => {
          const inventory = { ...INVENTORY, runtimes };
          const demand = { ...FREE, runtime };
          const node: Candidate = { inventory, images: {}, offer: { gpus: [], ...free } };
          if (fitsNow(waiting({ demand }), node)) expect(couldRun(demand, inventory)).toBe(true);
        },
      ),
    );
  });

  test("gives no run of any runtime to a node that would take another image for its container", () => {
    const frozen = waiting({
      image: "i",
      imageId: "sha256:one",
      demand: { ...FREE, runtime: "any" },
    });
    const fits = (images: Candidate["images"], runtimes: string[]): boolean =>
      fitsNow(frozen, { inventory: INVENTORY, images, offer: { gpus: [], slots: 1, runtimes } });
    expect(fits({ "i:latest": "sha256:one" }, ["docker", "process"])).toBe(true);
    expect(fits({ "i:latest": "sha256:two" }, ["docker", "process"])).toBe(false);
    expect(fits({ "i:latest": "sha256:two", "j:1": "sha256:one" }, ["docker"])).toBe(true);
    expect(fits({}, ["docker", "process"])).toBe(false);
    expect(fits({}, ["process"])).toBe(true);
  });

  test("gives no run to a node that has fewer cores than it asks for", () => {
    const node: Candidate = {
      inventory: INVENTORY,
      images: {},
      offer: { gpus: [], slots: 1, runtimes: ["docker", "process"] },
    };
    const { count } = INVENTORY.cpu;
    for (const runtime of ["docker", "process", "any"] as const)
      expect(
        [0.5, count, count + 0.5].map((cpus) =>
          fitsNow(waiting({ demand: { ...FREE, runtime, cpus } }), node),
        ),
      ).toEqual([true, true, false]);
  });

  test("gives no process to a node whose cores others have; containers share theirs", () => {
    const { count } = INVENTORY.cpu;
    const fits = (runtime: Demand["runtime"], cpus: number | null, cores?: number): boolean[] =>
      [["docker", "process"], ["process"]].map((runtimes) =>
        fitsNow(waiting({ image: "i", demand: { ...FREE, runtime, cpus } }), {
          inventory: INVENTORY,
          images: {},
          offer: { gpus: [], slots: 1, runtimes, cores },
        }),
      );
    expect(fits("process", 0.5, 1)).toEqual([true, true]);
    expect(fits("process", 1.5, 1)).toEqual([false, false]);
    expect(fits("process", 1, 0)).toEqual([false, false]);
    expect(fits("process", null, 0)).toEqual([true, true]);
    expect(fits("process", count)).toEqual([true, true]);
    expect(fits("any", 1, 0)).toEqual([true, false]);
    expect(fits("docker", 1, 0)).toEqual([true, false]);
  });

  test("orders by priority, then the project with less in hand, the image that is there, and age", () => {
    const node: Candidate = {
      inventory: INVENTORY,
      images: { "i:latest": "x" },
      offer: { gpus: [], slots: 1, runtimes: ["docker", "process"] },
    };
    const all = [
      waiting({ id: "young", submittedAt: 2 }),
      waiting({ id: "old", submittedAt: 1 }),
      waiting({ id: "image", submittedAt: 3, image: "i" }),
      waiting({ id: "urgent", priority: 1, project: "busy", open: 9, taken: 8 }),
      waiting({ id: "busy", project: "busy", submittedAt: 0 }),
      waiting({ id: "empty", open: 4, taken: 4, project: "other" }),
    ];
    expect([...ranked(all, node)].map(({ id }) => id)).toEqual([
      "urgent",
      "image",
      "old",
      "young",
      "busy",
    ]);
  });
});

describe("the state of a node", () => {
  test("is suspect after 45 s and lost after 120 s of silence, whatever it said last", () => {
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.boolean(),
        fc.nat({ max: 300_000 }),
        (ready, draining, silence) => {
          const state = nodeState({ ready, draining, revoked: false, beatAt: 0 }, silence);
          if (silence > 120_000) expect(state).toBe("lost");
          else if (silence > 45_000) expect(state).toBe("suspect");
          else if (draining) expect(state).toBe("draining");
          else expect(state).toBe(ready ? "ready" : "unready");
        },
      ),
    );
  });

  test("is a common cause only for at least half of at least four", () => {
    const now = 1_000_000;
    const [gone, here] = [now - 300_000, now - 10_000];
    expect(fellSilentTogether([gone, gone, here, here], gone, now)).toBe(true);
    expect(fellSilentTogether([gone, here, here, here], gone, now)).toBe(false);
    expect(fellSilentTogether([gone, gone, here], gone, now)).toBe(false);
    const long = now - 3_600_000;
    expect(fellSilentTogether([gone, gone, here, long, long], gone, now)).toBe(false);
  });
});
