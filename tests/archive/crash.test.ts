import { describeArchiveCrashes } from "../suites/archive-crash.suite.ts";

// That all is there within 2 s is measured by `npm run test:faults`: other tests run beside this one.
describeArchiveCrashes({ kills: 10, seed: 20_261_120, lagMs: 60_000 });
