import { describe } from "vitest";
import { CRASHES, crashSuite } from "../suites/daemon-crash.suite.ts";
import { describeWithEngine } from "../support/engine.ts";

/** After create and after start, before either is written down: what a lesser daemon would do twice. */
const worst = CRASHES.filter(
  ({ when, statement }) => when === "before" && /'created'|'started'/.test(statement),
);

describe.runIf(process.platform === "linux")("a killed daemon, with processes", () => {
  crashSuite({ runtime: "process" }, worst);
});

describeWithEngine("a killed daemon, with containers", ({ image }) => {
  crashSuite({ runtime: "docker", image }, worst);
});
