import { vi } from "vitest";
import { describeArchiveCrashes } from "../suites/archive-crash.suite.ts";

vi.setConfig({ testTimeout: 120_000 });
describeArchiveCrashes(10, 20_261_120);
