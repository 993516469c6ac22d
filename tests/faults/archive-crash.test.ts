import { vi } from "vitest";
import { describeArchiveCrashes } from "../suites/archive-crash.suite.ts";

vi.setConfig({ testTimeout: 3_600_000 });
describeArchiveCrashes({ kills: 200, seed: 20_261_121, lagMs: 2_000 });
