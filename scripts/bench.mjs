// `npm run bench -- NAME…`: compiles the harness in bench/ with everything that it calls, and runs it. What users run is
// compiled; a loader that translates on the way costs several microseconds a call and would be measured with it.
import { spawnSync } from "node:child_process";
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { root, setUp } from "./setup.mjs";
import { must } from "./run.mjs";

const out = join(root, "dist.bench");

await setUp();
rmSync(out, { recursive: true, force: true });
const tsc = join(root, "node_modules/typescript/bin/tsc");
await must(process.execPath, [tsc, "-p", join(root, "tsconfig.bench.json")], { cwd: root });
const migrations = "storage/migrations";
cpSync(join(root, migrations), join(out, migrations), { recursive: true });
const { status } = spawnSync(
  process.execPath,
  [join(out, "bench/run.js"), ...process.argv.slice(2)],
  {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, GRIDPOST_TEST_CLI: join(root, "dist/bin/gridpost.js") },
  },
);
process.exitCode = status ?? 1;
