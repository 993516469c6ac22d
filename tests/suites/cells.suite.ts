import { byHandSuite } from "./by-hand.suite.ts";
import { claimsSuite } from "./claims.suite.ts";
import { nodesSuite } from "./nodes.suite.ts";
import { resultsSuite } from "./results.suite.ts";
import { runFilesSuite } from "./run-files.suite.ts";
import { givenUpSuite } from "./given-up.suite.ts";
import { silenceSuite } from "./silence.suite.ts";
import { sweepsSuite } from "./sweeps.suite.ts";
import type { Driver } from "../support/drivers.ts";

/** What sweeps, claims, results and nodes do on every driver. */
export function cellsSuite(driver: Driver): void {
  sweepsSuite(driver);
  claimsSuite(driver);
  resultsSuite(driver);
  runFilesSuite(driver);
  byHandSuite(driver);
  nodesSuite(driver);
  silenceSuite(driver);
  givenUpSuite(driver);
}
