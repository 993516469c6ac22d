import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  canBecome,
  isFinal,
  isInfrastructure,
  isTaken,
  laneWith,
  MAX_RETRIES,
  nodesOf,
  stateAfter,
} from "../../cells/state.ts";
import { Outcome, RunState } from "../../contract/run.ts";

const state = fc.constantFrom(...RunState.options);
const outcome = fc.constantFrom(...Outcome.options);

describe("the states of a run", () => {
  test("lead from wherever an attempt ended to a state that may follow", () => {
    fc.assert(
      fc.property(
        state.filter(isTaken),
        fc.record({ outcome, retries: fc.nat({ max: 5 }), elsewhere: fc.boolean() }),
        (from, ended) => {
          expect(canBecome(from, stateAfter(ended))).toBe(true);
        },
      ),
    );
  });

  test("let only the infrastructure's failures be tried again, elsewhere, and at most twice", () => {
    fc.assert(
      fc.property(outcome, fc.nat({ max: 5 }), fc.boolean(), (how, retries, elsewhere) => {
        const again = stateAfter({ outcome: how, retries, elsewhere }) === "queued";
        expect(again).toBe(isInfrastructure(how) && retries < MAX_RETRIES && elsewhere);
      }),
    );
  });

  test("succeed only by an ok", () => {
    fc.assert(
      fc.property(outcome, fc.nat({ max: 5 }), fc.boolean(), (how, retries, elsewhere) => {
        expect(stateAfter({ outcome: how, retries, elsewhere }) === "succeeded").toBe(how === "ok");
      }),
    );
  });

  test("end: however it goes on, a run that is tried often enough is final, and final is for ever", () => {
    fc.assert(
      fc.property(fc.array(outcome, { minLength: MAX_RETRIES + 1 }), (outcomes) => {
        let now: RunState = "claimed";
        let retries = 0;
        for (const how of outcomes) {
          if (isFinal(now)) break;
          now = stateAfter({ outcome: how, retries, elsewhere: true });
          if (now === "queued") retries += 1;
        }
        expect(isFinal(now)).toBe(true);
        expect(RunState.options.some((next) => canBecome(now, next))).toBe(false);
      }),
    );
  });
});

test("a lane names its nodes once each, in one order", () => {
  const name = fc.constantFrom("n1", "n2", "n-3", "n.4");
  fc.assert(
    fc.property(fc.array(name), (names) => {
      const lane = names.reduce(laneWith, "");
      expect(nodesOf(lane)).toEqual([...new Set(names)].toSorted());
      expect(names.toReversed().reduce(laneWith, "")).toBe(lane);
    }),
  );
});
