import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import Docker from "dockerode";
import { beforeAll, describe } from "vitest";

/** The engine of `DOCKER_HOST` (or of its usual socket) and an image in it. */
export interface TestEngine {
  /** A client; a test removes the containers that it creates. */
  readonly docker: Docker;
  /** Holds node, sh, sleep, cat, echo, env, id, ls, mkdir, head, seq, true and false, in `/usr/bin`. Never pulled. */
  readonly image: string;
}

const engine: TestEngine = { docker: new Docker(), image: "gridpost-test:1" };

/** Why the tests below cannot run, or undefined if an engine answers. */
const missing: string | undefined =
  process.env["GRIDPOST_NO_ENGINE"] ??
  (await engine.docker.ping().then(
    () => undefined,
    (error: unknown) => String(error),
  ));

const imageScript = fileURLToPath(new URL("../../scripts/test-image.mjs", import.meta.url));

/** A `describe` whose tests need a container engine; without one they are skipped and the title says why. */
export function describeWithEngine(title: string, body: (engine: TestEngine) => void): void {
  if (missing !== undefined) {
    describe.skip(`${title} (no container engine: ${missing})`, () => body(engine));
    return;
  }
  describe(title, () => {
    beforeAll(() => promisify(execFile)(process.execPath, [imageScript]));
    body(engine);
  });
}
