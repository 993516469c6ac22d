import { cellsSuite } from "../suites/cells.suite.ts";
import { drivers } from "../support/drivers.ts";

for (const driver of drivers) cellsSuite(driver);
