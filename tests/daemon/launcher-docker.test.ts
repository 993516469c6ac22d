import { dockerLauncher } from "../../daemon/docker/driver.ts";
import { describeWithEngine } from "../support/engine.ts";
import { launcherSuite } from "../suites/launcher.suite.ts";

describeWithEngine("the docker launcher", ({ image }) => {
  launcherSuite({
    open: async (_, install) => dockerLauncher({ install, user: "65532:65532" }),
    image: async (launcher) =>
      (await launcher.resolveImage(image, new AbortController().signal)).id,
  });
});
