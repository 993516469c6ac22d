import { describe } from "vitest";
import { CRASHES, crashSuite } from "../suites/daemon-crash.suite.ts";
import { describeWithEngine } from "../support/engine.ts";

describe.runIf(process.platform === "linux")("a daemon killed anywhere, with processes", () => {
  crashSuite({ runtime: "process" }, CRASHES);
});

describeWithEngine("a daemon killed anywhere, with containers", ({ image }) => {
  crashSuite({ runtime: "docker", image }, CRASHES);
});
