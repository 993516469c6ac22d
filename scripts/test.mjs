// `npm test`: from a fresh clone to a verdict. Arguments go to vitest: `npm test -- tests/storage`.
import { join } from "node:path";
import { provideEngine } from "./engine.mjs";
import { Interrupted, must, run } from "./run.mjs";
import { root, setUp } from "./setup.mjs";

const inCi = !["", "0", "false"].includes(process.env.CI ?? "");

async function test(args) {
  await setUp();
  const engine = await provideEngine();
  if ("reason" in engine) {
    const effect = inCi ? "CI needs one" : "its tests are skipped";
    console.error(`engine: none (${engine.reason}); ${effect}`);
    if (inCi) return 1;
    return vitest(args, { GRIDPOST_NO_ENGINE: engine.reason });
  }
  console.error(`engine: ${engine.host}`);
  const env = { DOCKER_HOST: engine.host };
  try {
    // Before several files of tests find at the same time that it is not there.
    await must(process.execPath, [join(root, "scripts/test-image.mjs")], {
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...process.env, ...env },
    });
    return await vitest(args, env);
  } finally {
    await engine.stop();
  }
}

async function vitest(args, env) {
  const project = args.includes("--project") ? [] : ["--project", "main", "--project", "alone"];
  const command = [join(root, "node_modules/vitest/vitest.mjs"), "run", ...project, ...args];
  const options = { cwd: root, stdio: "inherit", env: { ...process.env, ...env } };
  return (await run(process.execPath, command, options)).status;
}

try {
  process.exitCode = await test(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = error instanceof Interrupted ? 130 : 1;
}
