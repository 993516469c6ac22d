import { claimsSuite } from "./claims.suite.ts";
import { nodesSuite } from "./nodes.suite.ts";
import { resultsSuite } from "./results.suite.ts";
import { sweepsSuite } from "./sweeps.suite.ts";
import type { Driver } from "../support/drivers.ts";

/** What sweeps, claims, results and nodes do on every driver. */
export function cellsSuite(driver: Driver): void {
  sweepsSuite(driver);
  claimsSuite(driver);
  resultsSuite(driver);
  nodesSuite(driver);
}
