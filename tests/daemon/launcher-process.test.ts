import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { describe } from "vitest";
import { processLauncher } from "../../daemon/process/driver.ts";
import { launcherSuite } from "../suites/launcher.suite.ts";

describe.runIf(process.platform === "linux")("the process launcher", () => {
  launcherSuite({
    open: async (folder) => {
      const root = join(folder, "processes");
      await mkdir(root, { recursive: true });
      return processLauncher(root);
    },
    image: async () => null,
  });
});
