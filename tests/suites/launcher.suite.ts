import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { newId } from "../../contract/ids.ts";
import { executionName, type Launch, type Launcher, LaunchError } from "../../daemon/launcher.ts";
import { commandLines, ownSleep } from "../support/processes.ts";
import { launchIn } from "../daemon/launch-in.ts";

/** A launcher under test. */
export interface LauncherUnderTest {
  /** Opens it with a folder for what it keeps; a second call with the same folder is the daemon's next life. */
  open(folder: string, install: string): Promise<Launcher>;
  /** The frozen image to launch, or null. */
  image(launcher: Launcher): Promise<string | null>;
}

const sh = (script: string): string[] => ["sh", "-c", script];

/** A script waits until the test lets it go on. */
const HELD = "until [ -e ${out}/go ]; do sleep 0.1; done";
const letGo = ({ out }: Launch): Promise<void> => writeFile(join(out, "go"), "");

/** What every launcher must do; `describe` it once per driver. */
export function launcherSuite(driver: LauncherUnderTest): void {
  let folder: string;
  let launcher: Launcher;
  let image: string | null;
  const install = newId();
  const never = new AbortController().signal;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "gridpost-launcher-"));
    await chmod(folder, 0o755);
    launcher = await driver.open(folder, install);
    image = await driver.image(launcher);
  });
  afterAll(async () => {
    for (const { id } of await launcher.list()) {
      await launcher.stop(id, 0);
      await launcher.remove(id);
    }
    await rm(folder, { recursive: true });
  });

  let count = 0;
  async function launchOf(command: string[], more: Partial<Launch> = {}): Promise<Launch> {
    count += 1;
    const files = join(folder, `files-${count}`);
    const out = join(folder, `out-${count}`);
    await mkdir(files);
    await mkdir(out);
    await chmod(out, 0o777);
    return launchIn(files, command, { image, out, ...more });
  }

  async function logOf(id: string, from = { stdout: 0, stderr: 0 }): Promise<string> {
    const parts: string[] = [];
    for await (const { bytes } of launcher.logs(id, { from, signal: never }))
      parts.push(bytes.toString());
    return parts.join("");
  }

  async function runToEnd(launch: Launch) {
    const { id } = await launcher.create(launch);
    await launcher.start(id);
    await launcher.wait(id, never);
    return { id, ended: await launcher.inspect(id) };
  }

  it("runs a command with its files, its folder for results, its environment and its log", async () => {
    const launch = await launchOf(
      sh("cat ${files}/in.txt > ${out}/copy; echo $GREETING; echo oops >&2; exit 3"),
      { env: { GREETING: 'it\'s ${out} "now" $HOME `id`' } },
    );
    await writeFile(join(launch.files, "in.txt"), "input");
    const { id, ended } = await runToEnd(launch);
    expect(ended).toMatchObject({
      state: "exited",
      exitCode: 3,
      oom: false,
      attempt: launch.attempt,
    });
    expect(ended?.durationMs).toBeGreaterThanOrEqual(0);
    expect(await readFile(join(launch.out, "copy"), "utf8")).toBe("input");
    const log = await logOf(id);
    expect(log).toMatch(/^it's \/.*out.* "now" \$HOME `id`$/m);
    expect(log).toContain("oops\n");
    await launcher.remove(id);
    expect(await launcher.inspect(id)).toBeNull();
  });

  it("cannot write into its input files", async () => {
    const launch = await launchOf(sh("echo x > ${files}/new || echo refused"));
    await chmod(launch.files, 0o755);
    const { id } = await runToEnd(launch);
    expect(await logOf(id)).toContain("refused");
    expect(await readdir(launch.files)).toEqual([]);
  });

  it("has no rights of the daemon's when that is root", async () => {
    const { id } = await runToEnd(await launchOf(sh("id -u; cat /proc/self/status")));
    const log = await logOf(id);
    if (process.getuid?.() === 0) expect(log.startsWith("0\n")).toBe(false);
    expect(log).toMatch(/NoNewPrivs:\s+1/);
    expect(log).toMatch(/CapEff:\s+0000000000000000/);
  });

  it("creates a launch once, and refuses another one under its name", async () => {
    const launch = await launchOf(sh("true"));
    const first = await launcher.create(launch);
    expect(first.state).toBe("created");
    expect(await launcher.create(launch)).toMatchObject({ id: first.id, state: "created" });
    await expect(launcher.create({ ...launch, command: sh("false") })).rejects.toThrow(LaunchError);
    await launcher.remove(first.id);
  });

  it("finds in a later life what an earlier one started, and reads its whole log and exit code", async () => {
    const launch = await launchOf(sh(`echo begin; ${HELD}; echo end; exit 4`));
    const { id } = await launcher.create(launch);
    await launcher.start(id);
    const later = await driver.open(folder, install);
    const found = (await later.list()).find(({ name }) => name === launch.name);
    expect(found).toMatchObject({ state: "running", attempt: launch.attempt, exitCode: null });
    await letGo(launch);
    await later.wait(id, never);
    expect(await later.inspect(launch.name)).toMatchObject({ state: "exited", exitCode: 4 });
    expect(await logOf(id)).toBe("begin\nend\n");
    expect(await logOf(id, { stdout: 6, stderr: 0 })).toBe("end\n");
  });

  it("does not list what another installation started", async () => {
    const other = await driver.open(await mkdtemp(join(folder, "other-")), newId());
    const launch = await launchOf(sh("true"));
    const { id } = await launcher.create(launch);
    expect(await other.list()).toEqual([]);
    await launcher.remove(id);
  });

  it("kills after the grace what ignores the polite signal, with all its children", async () => {
    const child = ownSleep();
    const launch = await launchOf(
      sh(
        `trap '' TERM; (trap '' TERM; setsid ${child} & ${child}) & echo ready; while :; do sleep 1; done`,
      ),
    );
    const { id } = await launcher.create(launch);
    await launcher.start(id);
    for await (const { bytes } of launcher.logs(id, {
      from: { stdout: 0, stderr: 0 },
      signal: never,
    }))
      if (bytes.includes("ready")) break;
    await launcher.stop(id, 1_000);
    expect(await launcher.inspect(id)).toMatchObject({ state: "exited", exitCode: 137 });
    expect((await commandLines()).filter((line) => line.includes(child))).toEqual([]);
  });

  it("lets a polite command end by itself when it is stopped", async () => {
    const launch = await launchOf(
      sh("trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.1; done"),
    );
    const { id } = await launcher.create(launch);
    await launcher.start(id);
    for await (const { bytes } of launcher.logs(id, {
      from: { stdout: 0, stderr: 0 },
      signal: never,
    }))
      if (bytes.includes("ready")) break;
    await launcher.stop(id, 10_000);
    expect(await launcher.inspect(id)).toMatchObject({ state: "exited", exitCode: 5 });
    expect(await logOf(id)).toContain("bye");
  });

  it("says that the cell is wrong when there is no such command", async () => {
    const { id } = await launcher.create(await launchOf(["/no/such/command"]));
    const outcome = await launcher.start(id).then(
      async () => {
        await launcher.wait(id, never);
        return (await launcher.inspect(id))?.exitCode;
      },
      (error: unknown) => (error instanceof LaunchError && error.cellsFault ? 127 : error),
    );
    expect(outcome).toBe(127);
    await launcher.remove(id);
  });

  it("gives up waiting and reading when told to, and the execution goes on", async () => {
    const launch = await launchOf(sh(`${HELD}; exit 6`));
    const { id } = await launcher.create(launch);
    await launcher.start(id);
    await launcher.wait(id, AbortSignal.timeout(50));
    for await (const _ of launcher.logs(id, {
      from: { stdout: 0, stderr: 0 },
      signal: AbortSignal.timeout(50),
    }));
    expect(await launcher.inspect(id)).toMatchObject({ state: "running" });
    await letGo(launch);
    await launcher.wait(id, never);
    expect(await launcher.inspect(id)).toMatchObject({ state: "exited", exitCode: 6 });
  });

  it("answers null for what is not there, and removes it without an error", async () => {
    expect(await launcher.inspect(executionName(newId(), 1))).toBeNull();
    await launcher.remove(executionName(newId(), 1));
  });

  describe("with limits", () => {
    it("ends what takes more memory than the cell may have", async () => {
      const launch = await launchOf(
        ["node", "-e", "const a=[]; for(;;) a.push(Buffer.alloc(8<<20,1))"],
        { limits: { memory: 256 << 20, cpus: 1, shm: 1 << 20, pids: 64 } },
      );
      const { ended } = await runToEnd(launch);
      expect(ended?.state).toBe("exited");
      expect(ended?.exitCode).not.toBe(0);
      if (launcher.runtime === "docker") expect(ended?.oom).toBe(true);
    });
  });
}
