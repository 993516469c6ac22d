import { vi } from "vitest";
import { describeArchiveCrashes } from "../suites/archive-crash.suite.ts";

vi.setConfig({ testTimeout: 1_800_000 });
describeArchiveCrashes({ kills: 200, seed: 20_261_121, lagMs: 2_000 });
