import Docker from "dockerode";
import {
  type Engine,
  EngineGoneError,
  type Launch,
  type Launched,
  LaunchError,
  type Launcher,
  type LogChunk,
  type LogsOptions,
  specOf,
} from "../launcher.ts";
import { sleep } from "../timers.ts";
import { engineCall, problemOf } from "./engine-call.ts";
import { type ContainerOwner, createOptions, LABELS } from "./host-config.ts";
import { listImages, resolveImage } from "./images.ts";
import { LogFrames } from "./log-frames.ts";

/** Creating and starting pull layers together and set up cgroups: slow on a busy host. */
const SLOW_CALL_MS = 60_000;
const CALL_MS = 10_000;
/** A wait whose connection died without a word is noticed by looking. */
const LOOK_MS = 30_000;

/**
 * Containers by the engine of `DOCKER_HOST`, or of its usual socket.
 * @throws LaunchError when `DOCKER_HOST` names an engine on another machine, which would not see this node's folders
 */
export function dockerLauncher(owner: ContainerOwner): Launcher {
  const docker = new Docker();
  refuseRemote(docker);
  const byId = (id: string): Docker.Container => docker.getContainer(id);
  const inspect = (id: string): Promise<Launched | null> => inspectContainer(docker, id);
  return {
    runtime: "docker",
    engine: () => describeEngine(docker),
    resolveImage: (reference, signal) => resolveImage(docker, reference, signal),
    images: () => listImages(docker),
    create: (launch) => create(docker, launch, owner),
    start: (id) => start(byId(id)),
    inspect,
    wait: (id, signal) => wait(byId(id), signal, inspect),
    logs: (id, options) => readLogs(byId(id), options),
    stop: (id, graceMs) => stop(byId(id), graceMs),
    remove: (id) => remove(byId(id)),
    list: () => list(docker, owner),
  };
}

async function describeEngine(docker: Docker): Promise<Engine> {
  // The client's types leave the options of this call out.
  const ask = docker.version.bind(docker) as (options: object) => Promise<Docker.DockerVersion>;
  const version = await engineCall("version", CALL_MS, (abortSignal) => ask({ abortSignal }));
  return { name: "docker", version: version.Version, apiVersion: version.ApiVersion };
}

function refuseRemote(docker: Docker): void {
  // The client's types leave this field out.
  const host: unknown = Reflect.get(docker.modem, "host");
  if (typeof host !== "string") return;
  throw new LaunchError(
    `DOCKER_HOST names an engine at ${host}: a daemon uses the engine of its own machine, by its socket`,
  );
}

async function create(docker: Docker, launch: Launch, owner: ContainerOwner): Promise<Launched> {
  const options = createOptions(launch, owner);
  try {
    await engineCall(`create ${launch.name}`, SLOW_CALL_MS, (abortSignal) =>
      docker.createContainer({ ...options, abortSignal }),
    );
  } catch (error) {
    // Created by an earlier life of this daemon, or created although the engine says otherwise.
    const there =
      error instanceof EngineGoneError ? null : await inspectContainer(docker, launch.name);
    if (there === null) throw launchError(error);
    if (there.spec !== specOf(launch))
      throw new LaunchError(`a container ${launch.name} exists and is not the one to create`);
    return there;
  }
  const created = await inspectContainer(docker, launch.name);
  if (created === null) throw new LaunchError(`${launch.name} was created and is not there`);
  await requireGpus(docker.getContainer(created.id), launch);
  return created;
}

/** Podman ignores a request for GPUs: the benchmark would run without them. */
async function requireGpus(container: Docker.Container, { gpus }: Launch): Promise<void> {
  if (!gpus.some(({ vendor }) => vendor === "nvidia")) return;
  const { HostConfig: host } = await engineCall(`inspect ${container.id}`, CALL_MS, (abortSignal) =>
    container.inspect({ abortSignal }),
  );
  if ((host.DeviceRequests ?? []).length > 0) return;
  await remove(container);
  throw new LaunchError(
    "this engine does not open NVIDIA GPUs to containers: use Docker with NVIDIA's toolkit",
  );
}

function launchError(error: unknown): unknown {
  const problem = problemOf(error);
  return problem === undefined ? error : new LaunchError(problem.message, { cause: error });
}

async function start(container: Docker.Container): Promise<void> {
  try {
    await engineCall(`start ${container.id}`, SLOW_CALL_MS, (abortSignal) =>
      container.start({ abortSignal }),
    );
  } catch (error) {
    const problem = problemOf(error);
    if (problem === undefined) throw error;
    if (problem.statusCode === 304) return;
    const cellsFault =
      /executable file not found|no such file or directory: unknown|permission denied: unknown/.test(
        problem.message,
      );
    throw new LaunchError(problem.message, { cellsFault, cause: error });
  }
}

async function inspectContainer(docker: Docker, id: string): Promise<Launched | null> {
  try {
    const info = await engineCall(`inspect ${id}`, CALL_MS, (abortSignal) =>
      docker.getContainer(id).inspect({ abortSignal }),
    );
    return launchedOf(info);
  } catch (error) {
    if (problemOf(error)?.statusCode === 404) return null;
    throw error;
  }
}

function launchedOf(info: Docker.ContainerInspectInfo): Launched {
  const { State: state, Config: config } = info;
  const labels = config.Labels;
  const exited = state.Status === "exited" || state.Status === "dead";
  const started = Date.parse(state.StartedAt);
  return {
    id: info.Id,
    name: info.Name.replace(/^\//, ""),
    attempt: labels[LABELS.attempt] ?? "",
    spec: labels[LABELS.spec] ?? "",
    state: exited ? "exited" : state.Status === "created" ? "created" : "running",
    exitCode: exited ? state.ExitCode : null,
    oom: state.OOMKilled,
    durationMs: exited ? Math.max(0, Date.parse(state.FinishedAt) - started) : null,
    endedAt: exited ? Date.parse(state.FinishedAt) : null,
    createdAt: Date.parse(info.Created),
  };
}

async function wait(
  container: Docker.Container,
  signal: AbortSignal,
  inspect: (id: string) => Promise<Launched | null>,
): Promise<void> {
  while (!signal.aborted) {
    const look = new AbortController();
    void sleep(LOOK_MS, signal, look.signal).then(() => look.abort());
    try {
      await container.wait({ abortSignal: look.signal });
      return;
    } catch (error) {
      if (signal.aborted) return;
      const problem = problemOf(error);
      if (problem?.statusCode === 404) return;
      if (problem === undefined && !look.signal.aborted) throw new EngineGoneError("wait", error);
    } finally {
      look.abort();
    }
    const state = (await inspect(container.id))?.state;
    if (state !== "running") return;
  }
}

async function* readLogs(
  container: Docker.Container,
  { from, signal }: LogsOptions,
): AsyncIterable<LogChunk> {
  const skip = { ...from };
  const frames = new LogFrames();
  for await (const bytes of logBytes(container, signal)) {
    for (const { stream, bytes: payload } of frames.push(bytes)) {
      const known = Math.min(skip[stream], payload.length);
      skip[stream] -= known;
      if (known < payload.length) yield { stream, bytes: payload.subarray(known) };
    }
  }
}

async function* logBytes(container: Docker.Container, signal: AbortSignal): AsyncIterable<Buffer> {
  const options = { stdout: true, stderr: true, follow: true, abortSignal: signal } as const;
  try {
    for await (const chunk of await container.logs(options)) {
      if (Buffer.isBuffer(chunk)) yield chunk;
    }
  } catch (error) {
    if (signal.aborted || problemOf(error)?.statusCode === 404) return;
    throw new EngineGoneError("logs", error);
  }
}

async function stop(container: Docker.Container, graceMs: number): Promise<void> {
  const seconds = Math.ceil(graceMs / 1_000);
  try {
    await engineCall(`stop ${container.id}`, seconds * 1_000 + SLOW_CALL_MS, (abortSignal) =>
      container.stop({ t: seconds, abortSignal }),
    );
  } catch (error) {
    // 304: it had ended; 404: it is gone.
    if (![304, 404].includes(problemOf(error)?.statusCode ?? 0)) throw error;
  }
}

async function remove(container: Docker.Container): Promise<void> {
  try {
    await engineCall(`remove ${container.id}`, SLOW_CALL_MS, (abortSignal) =>
      container.remove({ v: true, force: true, abortSignal }),
    );
  } catch (error) {
    // 404: it is gone; 409: its removal goes on.
    if (![404, 409].includes(problemOf(error)?.statusCode ?? 0)) throw error;
  }
}

async function list(docker: Docker, { install }: ContainerOwner): Promise<Launched[]> {
  const found = await engineCall("list", CALL_MS, (abortSignal) =>
    docker.listContainers({
      all: true,
      filters: { label: [`${LABELS.install}=${install}`] },
      abortSignal,
    }),
  );
  const inspected = await Promise.all(found.map(({ Id }) => inspectContainer(docker, Id)));
  return inspected.filter((container) => container !== null);
}
