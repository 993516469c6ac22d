import { leaseChangesSuite } from "../suites/lease-changes.suite.ts";
import { leaseGpusSuite } from "../suites/lease-gpus.suite.ts";
import { leaseQueueSuite } from "../suites/lease-queue.suite.ts";
import { leaseUpgradesSuite } from "../suites/lease-upgrades.suite.ts";
import { reservationsSuite } from "../suites/reservations.suite.ts";
import { drivers } from "../support/drivers.ts";

for (const driver of drivers) {
  reservationsSuite(driver);
  leaseQueueSuite(driver);
  leaseChangesSuite(driver);
  leaseUpgradesSuite(driver);
  leaseGpusSuite(driver);
}
