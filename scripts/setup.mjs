// `npm run setup`: what a fresh clone needs before anything runs, the packages of the lock file and dist/, each only if
// it is missing or old. Node built-ins only.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { must } from "./run.mjs";

export const root = fileURLToPath(new URL("..", import.meta.url));

const packagesOf = (file) => JSON.parse(readFileSync(join(root, file), "utf8")).packages;

/** True if node_modules holds what package-lock.json names; npm writes its own list at the end of an install. */
function installed() {
  if (!existsSync(join(root, "node_modules/.package-lock.json"))) return false;
  const present = packagesOf("node_modules/.package-lock.json");
  return Object.entries(packagesOf("package-lock.json")).every(([path, wanted]) => {
    if (path === "") return true;
    const found = present[path];
    return found ? found.integrity === wanted.integrity : wanted.optional === true;
  });
}

/** The latest change in a file or folder; folders count, so that a deleted file is seen. */
function changedAt(path) {
  const { mtimeMs } = statSync(path);
  if (!statSync(path).isDirectory()) return mtimeMs;
  return Math.max(mtimeMs, ...readdirSync(path).map((name) => changedAt(join(path, name))));
}

/** True if dist/ is younger than everything that it is made from. */
function built() {
  const command = join(root, "dist/bin/gridpost.js");
  if (!existsSync(command)) return false;
  const { include } = JSON.parse(readFileSync(join(root, "tsconfig.json"), "utf8"));
  const sources = include.filter((name) => name !== "tests" && name !== "bench");
  const inputs = [...sources, "tsconfig.json", "tsconfig.build.json", "package-lock.json"];
  const paths = inputs.map((name) => join(root, name)).filter((path) => existsSync(path));
  return Math.max(...paths.map(changedAt)) < statSync(command).mtimeMs;
}

/** Installs the packages and builds, each only if needed. */
export async function setUp() {
  if (!installed()) {
    console.error("set-up: npm ci (compiling SQLite may take two minutes)");
    await must("npm", ["ci", "--no-fund", "--no-audit"], { cwd: root });
  }
  if (!built()) {
    console.error("set-up: npm run build");
    await must(process.execPath, [join(root, "scripts/build.mjs")], { cwd: root });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await setUp();
