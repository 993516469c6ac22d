import { spawn } from "node:child_process";
import {
  type FileHandle,
  chmod,
  chown,
  mkdir,
  open,
  readdir,
  rename,
  rm,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import {
  fillIn,
  type Launch,
  type Launched,
  LaunchError,
  type Launcher,
  type LogChunk,
  type LogsOptions,
  specOf,
} from "../launcher.ts";
import { sleep } from "../timers.ts";
import { confinement, UNPRIVILEGED_ID } from "./limits.ts";
import { processesOf, signalProcess } from "./processes.ts";
import { ProcessRecord, read, readLaunched, tracesOf } from "./record.ts";
import { runScript, WRAPPER } from "./wrapper.ts";

const LOOK_MS = 100;
const READ_BYTES = 65_536;
/** Between the kill and the proof that all of it is gone. */
const KILL_MS = 5_000;
const SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * Executions as plain processes: each in a process group and a folder of its own under `root`, behind a wrapper that
 * outlives the daemon. Under another user when the daemon is root.
 */
export function processLauncher(root: string): Launcher {
  const inspect = async (id: string): Promise<Launched | null> => readLaunched(root, id);
  return {
    runtime: "process",
    engine: async () => null,
    resolveImage: async () => {
      throw new LaunchError("the process runtime has no images");
    },
    images: async () => ({}),
    create: (launch) => create(root, launch),
    start: (id) => start(join(root, id)),
    inspect,
    wait: async (id, signal) => {
      while (!signal.aborted && readLaunched(root, id)?.state === "running")
        await sleep(LOOK_MS, signal);
    },
    logs: (id, options) => readLog(root, id, options),
    stop: (id, graceMs) => stop(root, id, graceMs),
    remove: async (id) => {
      if (readLaunched(root, id)?.state === "running") throw new LaunchError(`${id} is running`);
      await until(() => killStrays(root, id) === 0, KILL_MS);
      await rm(join(root, id), { recursive: true, force: true });
    },
    list: async () => {
      const names = await readdir(root).catch(() => []);
      return names.map((name) => readLaunched(root, name)).filter((found) => found !== null);
    },
  };
}

const isRoot = (): boolean => process.getuid?.() === 0;

async function create(root: string, launch: Launch): Promise<Launched> {
  const spec = specOf(launch);
  const there = readLaunched(root, launch.name);
  if (there !== null && there.spec !== spec)
    throw new LaunchError(`an execution ${launch.name} exists and is not the one to create`);
  if (there !== null) return there;
  const folder = join(root, launch.name);
  // A folder without its record is a creation that was cut off.
  await rm(folder, { recursive: true, force: true });
  const work = join(folder, "work");
  await mkdir(work, { recursive: true });
  // Whatever the umask: the other user walks through to its script and its folder.
  await chmod(root, 0o711);
  await chmod(folder, 0o711);
  const script = join(folder, "run.sh");
  await write(script, scriptOf(launch, work), 0o500);
  if (isRoot()) {
    await chown(script, UNPRIVILEGED_ID, UNPRIVILEGED_ID);
    await chown(work, UNPRIVILEGED_ID, UNPRIVILEGED_ID);
  }
  const record: ProcessRecord = {
    name: launch.name,
    attempt: launch.attempt,
    spec,
    createdAt: Date.now(),
    command: [...confinement(launch, isRoot()), "/bin/sh", script],
  };
  const temporary = join(folder, "spec.json.new");
  await write(temporary, JSON.stringify(record), 0o600);
  await rename(temporary, join(folder, "spec.json"));
  const created = readLaunched(root, launch.name);
  if (created === null) throw new LaunchError(`${launch.name} was created and is not there`);
  return created;
}

function scriptOf(launch: Launch, work: string): string {
  if (launch.command.length === 0)
    throw new LaunchError("the cell has no command", { cellsFault: true });
  const { command, env } = fillIn(launch, launch);
  const base = {
    PATH: `${dirname(process.execPath)}:${SYSTEM_PATH}`,
    HOME: work,
    TMPDIR: work,
    LANG: "C.UTF-8",
  };
  const gpus = (vendor: string): string =>
    launch.gpus
      .filter((gpu) => gpu.vendor === vendor)
      .map(({ uuid }) => uuid)
      .join(",");
  const own = {
    CUDA_VISIBLE_DEVICES: gpus("nvidia"),
    ROCR_VISIBLE_DEVICES: gpus("amd"),
    GRIDPOST_EXECUTION: launch.name,
  };
  return runScript(command, { ...base, ...env, ...own }, work);
}

async function start(folder: string): Promise<void> {
  const { command } = ProcessRecord.parse(JSON.parse(read(folder, "spec.json") ?? "{}"));
  // Made before the process, and by one caller only: an execution starts at most once.
  const first = await write(join(folder, "started"), "", 0o600).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === "EEXIST") return false;
      throw new LaunchError(`cannot start a process: ${error.message}`, { cause: error });
    },
  );
  if (!first) return;
  const child = spawn("/bin/sh", ["-c", WRAPPER, "gridpost", folder, ...command], {
    cwd: "/",
    env: { PATH: SYSTEM_PATH },
    detached: true,
    stdio: "ignore",
  });
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", (error) => {
      reject(new LaunchError(`cannot start a process: ${error.message}`, { cause: error }));
    });
  });
  child.unref();
  // Where that fails, the wrapper's own word has to do.
  await nameWrapper(folder, child.pid ?? 0).catch(() => undefined);
}

/** Says which process the wrapper is, which it does itself too: on a busy machine its first step may come late. */
async function nameWrapper(folder: string, pid: number): Promise<void> {
  const stat = read(`/proc/${pid}`, "stat");
  if (stat === undefined) return;
  const temporary = join(folder, "wrapper.new");
  await writeFile(temporary, stat, { mode: 0o600 });
  await rename(temporary, join(folder, "wrapper"));
}

/** Makes a new file and has it on disk when it returns. */
async function write(path: string, text: string, mode: number): Promise<void> {
  const file = await open(path, "wx", mode);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Everything that a process prints goes to one file, in the order of its writes. */
async function* readLog(
  root: string,
  id: string,
  { from, signal }: LogsOptions,
): AsyncIterable<LogChunk> {
  const file = await openLog(root, id, signal);
  if (file === undefined) return;
  try {
    const buffer = Buffer.alloc(READ_BYTES);
    let position = from.stdout;
    while (!signal.aborted) {
      const running = readLaunched(root, id)?.state === "running";
      const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
      if (bytesRead > 0) {
        position += bytesRead;
        const bytes = Buffer.from(buffer.subarray(0, bytesRead));
        const waiting = Math.max(0, (await file.stat()).size - position);
        yield { stream: "stdout", bytes, waiting };
      } else if (running) {
        await sleep(LOOK_MS, signal);
      } else {
        return;
      }
    }
  } finally {
    await file.close();
  }
}

/** The log appears with the wrapper's first step. */
async function openLog(
  root: string,
  id: string,
  signal: AbortSignal,
): Promise<FileHandle | undefined> {
  while (!signal.aborted) {
    const running = readLaunched(root, id)?.state === "running";
    const file = await open(join(root, id, "log")).catch(() => undefined);
    if (file !== undefined || !running) return file;
    await sleep(LOOK_MS, signal);
  }
  return undefined;
}

async function stop(root: string, id: string, graceMs: number): Promise<void> {
  const running = (): boolean => readLaunched(root, id)?.state === "running";
  const child = Number(read(join(root, id), "pid") ?? Number.NaN);
  if (running() && child > 1) signalProcess(-child, "SIGTERM");
  await until(() => !running(), graceMs);
  if (running() && child > 1) signalProcess(-child, "SIGKILL");
  killStrays(root, id);
  await until(() => !running() && killStrays(root, id) === 0, KILL_MS);
  if (running()) throw new LaunchError(`${id} does not end, not even when killed`);
}

/** Ends what has left the process group; answers how many there were. */
function killStrays(root: string, id: string): number {
  const strays = processesOf(tracesOf(root, id));
  for (const pid of strays) signalProcess(pid, "SIGKILL");
  return strays.length;
}

async function until(done: () => boolean, ms: number): Promise<void> {
  const deadline = AbortSignal.timeout(ms);
  while (!done() && !deadline.aborted) await sleep(LOOK_MS / 2, deadline);
}
