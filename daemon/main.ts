import { setMaxListeners } from "node:events";
import { resolve } from "node:path";
import type { z } from "zod";
import { ProblemError } from "../contract/problem.ts";
import type { Clock } from "../runtime/clock.ts";
import { makeFolders } from "../runtime/folders.ts";
import { createLog } from "../runtime/log.ts";
import { schemaProblems } from "../runtime/schema-problems.ts";
import { exitAfter, untilSignal } from "../runtime/shutdown.ts";
import { packageVersion } from "../runtime/version.ts";
import {
  containerUser,
  leaveWorkRoots,
  makeWorkRoots,
  processesIn,
  type WorkRoots,
} from "./attempt-folder.ts";
import { bootClock, readBootId } from "./boot-clock.ts";
import { ClaimTurn } from "./capacity.ts";
import { claimLoop } from "./claims.ts";
import { Contact } from "./contact.ts";
import { Disk } from "./disk.ts";
import { Engines } from "./engines.ts";
import { gpuCare } from "./gpu-care.ts";
import { heartbeatLoop, type HeartbeatOptions, NAME } from "./heartbeat.ts";
import { hintLoop } from "./hints.ts";
import { Gpus } from "./inventory/gpus.ts";
import { findGpus, machine, readSimulatedGpus } from "./inventory/inventory.ts";
import { removeLeftFolders } from "./left-folders.ts";
import type { Node } from "./node.ts";
import { DaemonOptions } from "./options.ts";
import type { Log, SpoolDb } from "./ports.ts";
import { Cores } from "./process/cores.ts";
import { processLauncher } from "./process/driver.ts";
import { allowedCores, processObstacle } from "./process/limits.ts";
import { openSpool } from "./open-spool.ts";
import { reapAll, reapLoop } from "./reaper.ts";
import { noteReboot } from "./reboot.ts";
import { connect } from "./server.ts";
import { Sessions } from "./sessions.ts";
import type { Spool } from "./spool.ts";
import { Stops } from "./stops.ts";
import { Alarm, sleep } from "./timers.ts";

export { DaemonOptions } from "./options.ts";

/** A hand-off takes at most so long; what has not let go then is cut off, and the next life goes on with it. */
const HAND_OFF_MS = 8_000;

/** What images there are decides what a sweep freezes: worth a short wait. */
const LIST_MS = 5_000;

/** What bin/ supplies. */
export interface DaemonPorts {
  /** Opens or creates the spool's file for this process alone. @throws ProblemError CONFLICT if another has it */
  readonly openSpool: (file: string) => SpoolDb;
  readonly log: Log;
  readonly clock?: Clock;
}

export interface RunningDaemon {
  /** Hands off: lets go of everything within 10 s; what runs runs on, and the next start takes it up again. */
  stop(): Promise<void>;
}

/** Every run and loop of a node listens to the signal: more than ten of them are no leak. */
function detacher(): AbortController {
  const detach = new AbortController();
  setMaxListeners(0, detach.signal);
  return detach;
}

/**
 * Starts the daemon of a node and returns when it watches over what an earlier life has left. It does not wait for the
 * server, but for its join at the very first start.
 * @throws ProblemError CONFLICT if another daemon has the folder, BAD_REQUEST for settings that cannot work, what the
 * server answers to the join; UnreachableError
 */
export async function startDaemon(
  input: DaemonOptions,
  ports: DaemonPorts,
): Promise<RunningDaemon> {
  const options = { ...input, data: resolve(input.data) };
  const { log, clock = bootClock } = ports;
  await makeFolders(options.data);
  const { spool, lost } = await openSpool({ data: options.data, open: ports.openSpool, log });
  const detach = detacher();
  try {
    const server = await connect(options, log);
    const bootId = readBootId();
    const roots = await makeWorkRoots(options.data, spool.installId);
    const engines = makeEngines({ options, spool, log, processRoot: processesIn(roots) });
    const disk = new Disk([options.data, roots.process]);
    await Promise.all([engines.look(), disk.look()]);
    await Promise.race([engines.listed(), sleep(LIST_MS, detach.signal)]);
    const gpus = await gpusOf(options, { spool, log });
    const survey = surveyor(options, engines, gpus);
    const node: Node = {
      options,
      name: spool.meta(NAME) ?? options.name,
      server,
      spool,
      engines,
      disk,
      cores: new Cores(allowedCores()),
      clock,
      log,
      contact: new Contact({ clock, spool, bootId }),
      stops: new Stops(spool),
      inventory: await survey(),
      // Not offered before a tool says that they are there, and clean.
      quarantine: new Set(gpus.remembered),
      wakeClaims: new Alarm(),
      wakeBeat: new Alarm(),
      hinted: false,
      detach: detach.signal,
    };
    await noteReboot(node, bootId);
    if (lost) await reapAll(node);
    await removeLeftFolders(node, roots);
    const settled = work(roots, gpus, { node, bootId, survey, gpus });
    return {
      stop: async () => {
        detach.abort();
        await settled();
        spool.close();
        await leaveWorkRoots(roots);
      },
    };
  } catch (error) {
    detach.abort();
    spool.close();
    throw error;
  }
}

/** Takes up what an earlier life has left and starts the loops; the answer waits until all of them have let go. */
function work(roots: WorkRoots, gpus: Gpus, heartbeat: HeartbeatOptions): () => Promise<unknown> {
  const { node } = heartbeat;
  const turn = new ClaimTurn();
  const care = gpuCare(gpus, node.inventory.simulated);
  const sessions = new Sessions({ node, roots, gpuCare: care, turn });
  sessions.resume();
  const loops = [
    heartbeatLoop(heartbeat),
    claimLoop(node, sessions, turn),
    hintLoop(node),
    reapLoop(node, care),
  ];
  return async () => Promise.all([...loops, sessions.settled()]);
}

function makeEngines(parts: {
  readonly options: DaemonOptions;
  readonly spool: Spool;
  readonly log: Log;
  readonly processRoot: string;
}): Engines {
  const { options, spool, log, processRoot } = parts;
  const obstacle = options.allowProcess ? processObstacle(process.getuid?.() === 0) : undefined;
  if (obstacle !== undefined)
    throw new ProblemError("BAD_REQUEST", obstacle, {
      next: "install it, or start without --allow-process",
    });
  return new Engines({
    spool,
    log,
    process: processLauncher(processRoot),
    allowProcess: options.allowProcess,
    docker: async () => {
      const { dockerLauncher } = await import("./docker/driver.ts");
      return dockerLauncher({ install: spool.installId, user: containerUser() });
    },
  });
}

/** The GPUs of the machine, or those that it is told to pretend to have, which no later life remembers. */
async function gpusOf(
  { simulateGpus: file }: DaemonOptions,
  { spool, log }: { readonly spool: Spool; readonly log: Log },
): Promise<Gpus> {
  const gpus =
    file === undefined
      ? new Gpus({ spool, log }, findGpus)
      : new Gpus({ spool: undefined, log }, async () => ({
          gpus: await readSimulatedGpus(file),
          problems: [],
        }));
  await gpus.look();
  return gpus;
}

/** Describes the machine as it is now. */
function surveyor(
  options: DaemonOptions,
  engines: Engines,
  gpus: Gpus,
): () => Promise<Node["inventory"]> {
  const version = packageVersion();
  return async () => ({
    ...machine(),
    version,
    gpus: [...gpus.all],
    simulated: options.simulateGpus !== undefined,
    labels: { ...options.labels },
    runtimes: engines.runtimes(),
    engine: engines.engine,
    slots: options.slots,
  });
}

/**
 * `gridpost daemon`: runs until SIGTERM or SIGINT, then hands off within 10 s.
 * @throws ProblemError, before it runs, with one line on what is wrong
 */
export async function runDaemon(
  flags: z.input<typeof DaemonOptions>,
  openSpool: DaemonPorts["openSpool"],
): Promise<void> {
  const parsed = DaemonOptions.safeParse(flags);
  if (!parsed.success) {
    const mistakes = schemaProblems(DaemonOptions, flags, parsed.error);
    const message = mistakes.map((one) => `${one.path.join(".")}: ${one.message}`).join("; ");
    throw new ProblemError("BAD_REQUEST", message, { next: "gridpost daemon --help" });
  }
  const log = createLog("info");
  const signal = untilSignal();
  // From the signal on, also while it starts: that waits for a server or an engine, perhaps for long.
  void signal.then(() => exitAfter(HAND_OFF_MS, 0));
  const daemon = await startDaemon(parsed.data, { openSpool, log });
  log.info({ signal: await signal }, "handing off");
  await daemon.stop();
}
