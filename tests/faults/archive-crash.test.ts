import { vi } from "vitest";
import { describeArchiveCrashes } from "../suites/archive-crash.suite.ts";

vi.setConfig({ testTimeout: 1_800_000 });
describeArchiveCrashes(200, 20_261_121);
