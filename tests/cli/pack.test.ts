import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));

let folder: string;
let command: string;

interface LockFile {
  readonly packages: Readonly<Record<string, { readonly dev?: true }>>;
}

/** Links what `npm install --omit=dev` would put beside the package, from what is installed here. */
async function linkDependencies(target: string): Promise<void> {
  const lock = JSON.parse(await readFile(join(root, "package-lock.json"), "utf8")) as LockFile;
  for (const [path, { dev }] of Object.entries(lock.packages)) {
    const name = /^node_modules\/((?:@[^/]+\/)?[^/]+)$/.exec(path)?.[1];
    if (name === undefined || dev) continue;
    await mkdir(dirname(join(target, name)), { recursive: true });
    await symlink(join(root, path), join(target, name));
  }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "gridpost-pack-"));
  const { stdout } = await run(
    "npm",
    ["pack", "--ignore-scripts", "--json", "--pack-destination", folder],
    { cwd: root },
  );
  const [packed] = JSON.parse(stdout) as { filename: string }[];
  const installed = join(folder, "lib/node_modules/gridpost");
  await mkdir(installed, { recursive: true });
  await run("tar", [
    "-xzf",
    join(folder, packed?.filename ?? ""),
    "-C",
    installed,
    "--strip-components=1",
  ]);
  await linkDependencies(join(folder, "lib/node_modules"));
  const { bin } = JSON.parse(await readFile(join(installed, "package.json"), "utf8")) as {
    bin: { gridpost: string };
  };
  command = join(folder, "bin/gridpost");
  await mkdir(dirname(command));
  await symlink(join(installed, bin.gridpost), command);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

describe("the packed package, installed elsewhere", () => {
  it("has a command that runs", async () => {
    const { stdout } = await run(command, ["--version"]);
    const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as {
      version: string;
    };
    expect(stdout).toBe(`${version}\n`);
  });

  it("plans the example sweep that it carries", async () => {
    const sweep = join(folder, "lib/node_modules/gridpost/examples/cpu-kernels/sweep.yaml");
    const { stdout } = await run(command, ["sweep", "plan", sweep, "--json"]);
    expect((JSON.parse(stdout) as { cells: unknown[] }).cells.length).toBeGreaterThan(2);
  });

  it("runs the server and a node with nothing but its own dependencies", async () => {
    const env = { ...process.env, GRIDPOST_HOME: join(folder, "home") };
    const up = execFile(command, ["up", "--listen", "127.0.0.1:0", "--json"], { env });
    const ended = new Promise((resolve) => up.once("close", resolve));
    let errors = "";
    up.stderr?.on("data", (chunk) => (errors += String(chunk)));
    const shown = await Promise.race([
      new Promise((resolve) => up.stdout?.once("data", (chunk) => resolve(String(chunk)))),
      ended.then(() => errors),
    ]);
    expect(JSON.parse(String(shown))).toMatchObject({ url: expect.stringMatching(/^http:/) });
    up.kill("SIGTERM");
    expect(await ended).toBe(0);
  });
});
