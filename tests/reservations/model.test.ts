import fc from "fast-check";
import { it } from "vitest";
import { drivers } from "../support/drivers.ts";
import { LeaseModel } from "./lease-model.ts";
import { leaseCommands } from "./model-commands.ts";
import { openReal } from "./model-real.ts";

for (const driver of drivers) {
  it(`leases on ${driver.name} behave as the model says, whatever happens in whatever order`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.commands(leaseCommands(), { maxCommands: 40 }), async (commands) => {
        const real = await openReal(driver);
        try {
          await fc.asyncModelRun(() => ({ model: new LeaseModel(), real }), commands);
        } finally {
          await real.close();
        }
      }),
      { numRuns: 60 },
    );
  });
}
