// `npm run build`: compiles into dist/, adds the SQL migrations, makes the command executable.
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const dist = join(root, "dist");
const fresh = join(root, "dist.new");
const old = join(root, "dist.old");

/** Compiles beside dist/ and swaps at the end, so that a failed build leaves the last good one. */
function build() {
  rmSync(fresh, { recursive: true, force: true });
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const args = [tsc, "-p", join(root, "tsconfig.build.json"), "--outDir", fresh];
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" });
  if (status !== 0) {
    rmSync(fresh, { recursive: true, force: true });
    return status ?? 1;
  }

  const migrations = join(root, "storage/migrations");
  if (existsSync(migrations))
    cpSync(migrations, join(fresh, "storage/migrations"), { recursive: true });
  const command = join(fresh, "bin/gridpost.js");
  if (existsSync(command)) chmodSync(command, 0o755);

  rmSync(old, { recursive: true, force: true });
  if (existsSync(dist)) renameSync(dist, old);
  renameSync(fresh, dist);
  rmSync(old, { recursive: true, force: true });
  return 0;
}

process.exitCode = build();
