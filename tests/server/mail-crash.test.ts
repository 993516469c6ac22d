import { vi } from "vitest";
import { describeMailCrash } from "../suites/mail-crash.suite.ts";

// It starts a server three times, beside whatever else a small machine does.
vi.setConfig({ testTimeout: 90_000 });
describeMailCrash({ agents: 12, letters: 30 });
