import type Docker from "dockerode";
import { MAX_CONTAINER_PIDS } from "../../contract/cell/sweep-file.ts";
import { fillIn, type Launch, LaunchError, specOf } from "../launcher.ts";

/** Where a container sees its input files and writes its results. */
export const CONTAINER_FOLDERS = { files: "/gridpost/files", out: "/gridpost/out" } as const;

export const LABELS = {
  install: "gridpost.install",
  attempt: "gridpost.attempt",
  repeat: "gridpost.repeat",
  spec: "gridpost.spec",
} as const;

const FROZEN_IMAGE = /^([a-z0-9][^\s@]*@)?sha256:[0-9a-f]{64}$/;
const NAME = /^gridpost-[A-Za-z0-9-]{1,64}-\d{1,6}$/;
const DEVICE = /^\/dev\/(kfd|dri\/renderD\d{1,4})$/;
/** Never mounted, whatever the node's policy allows: the host's own state and every way to its engine. */
const SYSTEM_SOURCE =
  /^\/($|(proc|sys|dev|run|boot|etc|var\/run|var\/lib\/(docker|containerd))($|\/))|docker\.sock$/;
const FORBIDDEN_TARGET = /^\/($|(proc|sys|dev|gridpost)($|\/))/;
/** Chosen by the daemon alone: they say which GPUs a container may use. */
const GPU_VARIABLES = ["NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES"];

/** Who owns the container's processes: `uid:gid`. */
export interface ContainerOwner {
  readonly install: string;
  readonly user: string;
}

/**
 * The one place where a container's settings come from. No privileges, no capabilities, no network, a read-only root,
 * limits, an init; nothing of it can be chosen by a cell beyond what `Launch` has fields for.
 * @throws LaunchError for a launch outside the rules
 */
export function createOptions(
  launch: Launch,
  owner: ContainerOwner,
): Docker.ContainerCreateOptions & { HostConfig: Docker.HostConfig } {
  refuseUnsafe(launch);
  const { command, env } = fillIn(launch, CONTAINER_FOLDERS);
  return {
    name: launch.name,
    Image: launch.image ?? "",
    // An image's own entry point would change the command that the cell is known by.
    Entrypoint: command.slice(0, 1),
    Cmd: command.slice(1),
    Env: environment(env, launch),
    User: owner.user,
    Labels: {
      [LABELS.install]: owner.install,
      [LABELS.attempt]: launch.attempt,
      [LABELS.repeat]: String(launch.repeat),
      [LABELS.spec]: specOf(launch),
    },
    NetworkDisabled: true,
    // A check that the image declares would run beside the measurement.
    Healthcheck: { Test: ["NONE"] },
    HostConfig: hostConfig(launch),
  };
}

function hostConfig(launch: Launch): Docker.HostConfig {
  const { memory, cpus, shm, pids } = launch.limits;
  return {
    Init: true,
    Privileged: false,
    ReadonlyRootfs: true,
    NetworkMode: "none",
    IpcMode: "private",
    PidMode: "",
    UsernsMode: "",
    CapDrop: ["ALL"],
    CapAdd: [],
    SecurityOpt: ["no-new-privileges"],
    PidsLimit: Math.min(pids ?? MAX_CONTAINER_PIDS, MAX_CONTAINER_PIDS),
    ...(memory === null ? {} : { Memory: memory, MemorySwap: memory }),
    ...(cpus === null ? {} : { NanoCpus: Math.round(cpus * 1e9) }),
    ...(shm === null ? {} : { ShmSize: shm }),
    // When memory runs out, the benchmark goes before anything of the host.
    OomScoreAdj: 500,
    AutoRemove: false,
    RestartPolicy: { Name: "no" },
    Tmpfs: { "/tmp": "rw,nosuid,nodev,mode=1777,size=8g" },
    Mounts: [
      { Type: "bind", Source: launch.files, Target: CONTAINER_FOLDERS.files, ReadOnly: true },
      { Type: "bind", Source: launch.out, Target: CONTAINER_FOLDERS.out },
      ...launch.mounts.map(({ source, target }): Docker.MountSettings => ({
        Type: "bind",
        Source: source,
        Target: target,
        ReadOnly: true,
      })),
    ],
    Ulimits: [{ Name: "core", Soft: 0, Hard: 0 }],
    LogConfig: { Type: "local", Config: { "max-size": "64m", "max-file": "2" } },
    ...gpuAccess(launch),
  };
}

function gpuAccess({ gpus, devices }: Launch): Docker.HostConfig {
  const nvidia = gpus.filter(({ vendor }) => vendor === "nvidia").map(({ uuid }) => uuid);
  return {
    ...(nvidia.length === 0
      ? {}
      : {
          DeviceRequests: [
            {
              Driver: "nvidia",
              DeviceIDs: nvidia,
              Capabilities: [["gpu", "compute", "utility"]],
            },
          ],
        }),
    ...(devices.length === 0
      ? {}
      : {
          Devices: devices.map(({ path }) => ({
            PathOnHost: path,
            PathInContainer: path,
            CgroupPermissions: "rw",
          })),
          GroupAdd: [...new Set(devices.map(({ gid }) => String(gid)))],
        }),
  };
}

function environment(env: Record<string, string>, launch: Launch): string[] {
  const own: Record<string, string> = { GRIDPOST_EXECUTION: launch.name };
  // Where NVIDIA's runtime is the default one, this variable of an image alone would open every GPU.
  if (launch.gpus.length === 0) own["NVIDIA_VISIBLE_DEVICES"] = "void";
  const asked = Object.entries(env).filter(([name]) => !GPU_VARIABLES.includes(name));
  return Object.entries({ HOME: "/tmp", ...Object.fromEntries(asked), ...own }).map(
    ([name, value]) => `${name}=${value}`,
  );
}

function refuseUnsafe(launch: Launch): void {
  if (!NAME.test(launch.name)) throw new LaunchError(`"${launch.name}" is no execution's name`);
  if (launch.image === null || !FROZEN_IMAGE.test(launch.image))
    throw new LaunchError(`an image is launched by its digest or id only, not as ${launch.image}`);
  if (launch.command.length === 0)
    throw new LaunchError("the cell has no command", { cellsFault: true });
  const device = launch.devices.find(({ path }) => !DEVICE.test(path));
  if (device) throw new LaunchError(`${device.path} is not a GPU's device`);
  refuseMounts(launch);
}

function refuseMounts(launch: Launch): void {
  for (const own of [launch.files, launch.out]) {
    if (SYSTEM_SOURCE.test(own) || !isPlainPath(own))
      throw new LaunchError(`${own} is not the folder of an attempt`);
  }
  for (const { source, target } of launch.mounts) {
    if (SYSTEM_SOURCE.test(source) || /^\/root($|\/)/.test(source) || !isPlainPath(source))
      throw new LaunchError(`${source} may not be mounted into a container`);
    if (FORBIDDEN_TARGET.test(target) || !isPlainPath(target))
      throw new LaunchError(`nothing may be mounted at ${target}`, { cellsFault: true });
  }
}

/** Absolute, and without parts that would lead elsewhere. */
const isPlainPath = (path: string): boolean =>
  path.startsWith("/") &&
  !path
    .split("/")
    .slice(1)
    .some((part) => /^\.{0,2}$/.test(part));
