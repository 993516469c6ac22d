import { describeArchiveCrashes } from "../suites/archive-crash.suite.ts";

describeArchiveCrashes({ kills: 10, seed: 20_261_120, lagMs: 2_000 });
