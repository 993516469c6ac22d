import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Launch } from "../../daemon/launcher.ts";
import { processLauncher } from "../../daemon/process/driver.ts";
import { launcherSuite } from "../suites/launcher.suite.ts";
import { commandLines } from "../support/processes.ts";
import { launchIn } from "./launch-in.ts";

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

it.runIf(process.platform === "linux")(
  "knows its wrapper as soon as it has started it, however late that gets to run",
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "gridpost-wrapper-"));
    await chmod(folder, 0o755);
    const root = join(folder, "processes");
    await mkdir(root);
    const launcher = processLauncher(root);
    const { id } = await launcher.create(launchOf(folder, "echo done"));
    await launcher.start(id);
    expect(existsSync(join(root, id, "wrapper"))).toBe(true);
    // As if it had been started long ago, and had not got round to anything.
    const before = Date.now() / 1_000 - 60;
    await utimes(join(root, id, "started"), before, before);
    await launcher.wait(id, new AbortController().signal);
    expect(await launcher.inspect(id)).toMatchObject({ state: "exited", exitCode: 0 });
    await rm(folder, { recursive: true });
  },
);

/** With sleeps that no other test on this machine has. */
const own = (text: string): string => text.replaceAll(/\b314\d\b/g, `$&${process.pid}`);

it.runIf(process.platform === "linux").each([
  ["sleep 3141 & env -i sleep 3141", ["sleep 3141", "sleep 3141"]],
  // What the command left starts more after its end, or has ended itself by then.
  ["sleep 3141 & env -i sh -c 'sleep 1; sleep 3142; :'", ["sleep 3141", "sleep 3142"]],
  ["sh -c 'sleep 1; sleep 3142 &'", ["sleep 3142"]],
])("ends what '%s' has left behind without a trace in its environment", async (script, left) => {
  const folder = await mkdtemp(join(tmpdir(), "gridpost-strays-"));
  await chmod(folder, 0o755);
  const root = join(folder, "processes");
  await mkdir(root);
  const launcher = processLauncher(root);
  const { id } = await launcher.create(launchOf(folder, own(`env -i ${script} & echo done`)));
  const foreign = spawn("sleep", [own("3143")], { detached: true });
  try {
    await launcher.start(id);
    await launcher.wait(id, new AbortController().signal);
    await expect.poll(sleepers).toEqual([...left, "sleep 3143"].map(own));
    await launcher.remove(id);
    await expect.poll(sleepers).toEqual([own("sleep 3143")]);
  } finally {
    foreign.kill();
  }
  await rm(folder, { recursive: true });
});

it.runIf(process.platform === "linux").each(["another-boot", ""])(
  "touches no session whose number a boot of the name '%s' has given",
  async (boot) => {
    const folder = await mkdtemp(join(tmpdir(), "gridpost-boots-"));
    await chmod(folder, 0o755);
    const root = join(folder, "processes");
    await mkdir(root);
    const launcher = processLauncher(root);
    const { id } = await launcher.create(launchOf(folder, "echo done"));
    await launcher.start(id);
    await launcher.wait(id, new AbortController().signal);
    const foreign = spawn("sleep", [own("3144")], { detached: true });
    const ended = new Promise((resolve) => foreign.once("exit", (_, signal) => resolve(signal)));
    await writeFile(join(root, id, "pid"), `${foreign.pid}\n`);
    await writeFile(join(root, id, "ended"), `1e12 ${boot}\n`);
    await launcher.remove(id);
    foreign.kill("SIGTERM");
    expect(await ended).toBe("SIGTERM");
    await rm(folder, { recursive: true });
  },
);

/** A launch of a shell script. */
const launchOf = (folder: string, script: string): Launch => launchIn(folder, ["sh", "-c", script]);

async function sleepers(): Promise<string[]> {
  const ours = new RegExp(own("^sleep (3141|3142|3143)$"));
  return (await commandLines()).filter((line) => ours.test(line)).toSorted();
}

it.runIf(process.platform === "linux")(
  "tells how much of a log waits to be read, because a flood is printed faster than it is read",
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "gridpost-flood-"));
    await chmod(folder, 0o755);
    const root = join(folder, "processes");
    await mkdir(root);
    const launcher = processLauncher(root);
    const { id } = await launcher.create(launchOf(folder, "yes | head -c 200000"));
    await launcher.start(id);
    const { signal } = new AbortController();
    await launcher.wait(id, signal);
    const left: unknown[] = [];
    let read = 0;
    for await (const chunk of launcher.logs(id, { from: { stdout: 0, stderr: 0 }, signal })) {
      read += chunk.bytes.length;
      left.push(read + (chunk.waiting ?? 0));
    }
    expect(read).toBe(200_000);
    expect(new Set(left)).toEqual(new Set([200_000]));
    await rm(folder, { recursive: true });
  },
);
