import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createOptions } from "../../daemon/docker/host-config.ts";
import { LogFrames } from "../../daemon/docker/log-frames.ts";
import { type Launch, LaunchError } from "../../daemon/launcher.ts";

const owner = { install: "01980000-0000-7000-8000-000000000000", user: "65532:65532" };

const good: Launch = {
  name: "gridpost-01980000-0000-7000-8000-000000000001-1",
  attempt: "01980000-0000-7000-8000-000000000001",
  repeat: 1,
  image: `sha256:${"0".repeat(64)}`,
  command: ["bench", "--out", "${out}/r.json"],
  env: { A: "b" },
  files: "/data/work/a/files",
  out: "/data/work/a/out-1",
  mounts: [],
  gpus: [],
  devices: [],
  cores: [],
  limits: { memory: 1 << 30, cpus: 1.5, shm: 1 << 20, pids: 100 },
};

const nasty = fc.oneof(
  fc.constantFrom(
    "/",
    "//",
    "/.",
    "/proc/1",
    "/dev/mem",
    "/sys",
    "/etc/shadow",
    "/run/docker.sock",
    "/var/run/docker.sock",
    "/srv/../etc",
    "/srv/models",
    "/models",
    "/gridpost/out",
    "/dev/kfd",
    "/dev/dri/renderD128",
    "busybox:latest",
    "busybox",
    good.image ?? "",
    `repo.example/a@${good.image}`,
    "relative",
    "",
  ),
  fc.string({ maxLength: 30 }),
);
/** Mostly what is right, so that some launches are accepted. */
const mostly = (right: string) =>
  fc.oneof({ weight: 12, arbitrary: fc.constant(right) }, { weight: 1, arbitrary: nasty });
const limit = fc.option(fc.integer({ min: 1, max: 2 ** 40 }));

const anyLaunch: fc.Arbitrary<Launch> = fc.record({
  name: mostly(good.name),
  attempt: nasty,
  repeat: fc.integer(),
  image: fc.option(mostly(good.image ?? ""), { freq: 9 }),
  command: fc.array(nasty),
  env: fc.dictionary(
    fc.constantFrom("A", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES", "HOME"),
    nasty,
  ),
  files: mostly(good.files),
  out: mostly(good.out),
  mounts: fc.array(fc.record({ source: mostly("/srv/models"), target: mostly("/models") }), {
    maxLength: 3,
  }),
  gpus: fc.array(fc.record({ uuid: nasty, vendor: fc.constantFrom("nvidia", "amd") }), {
    maxLength: 2,
  }),
  devices: fc.array(fc.record({ path: mostly("/dev/kfd"), gid: fc.nat() }), { maxLength: 2 }),
  cores: fc.constant([]),
  limits: fc.record({ memory: limit, cpus: limit, shm: limit, pids: limit }),
});

/** Every setting that a container of ours may have, whatever was asked. */
const FIXED = {
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
  OomScoreAdj: 500,
  AutoRemove: false,
  RestartPolicy: { Name: "no" },
  Ulimits: [{ Name: "core", Soft: 0, Hard: 0 }],
};
const VARYING = new Set([
  "PidsLimit",
  "Memory",
  "MemorySwap",
  "NanoCpus",
  "ShmSize",
  "Tmpfs",
  "Mounts",
  "LogConfig",
  "DeviceRequests",
  "Devices",
  "GroupAdd",
]);

describe("a container's settings", () => {
  it("keep a check of the image's health from running beside the measurement", () => {
    expect(createOptions(good, owner).Healthcheck).toEqual({ Test: ["NONE"] });
  });

  it("stay within the rules for every launch that is not refused", () => {
    let accepted = 0;
    fc.assert(
      fc.property(anyLaunch, (launch) => {
        let options;
        try {
          options = createOptions(launch, owner);
        } catch (error) {
          expect(error).toBeInstanceOf(LaunchError);
          return;
        }
        accepted += 1;
        const host = options.HostConfig;
        expect(host).toMatchObject(FIXED);
        const extra = Object.keys(host).filter((key) => !(key in FIXED) && !VARYING.has(key));
        expect(extra).toEqual([]);
        expect(options.Image).toMatch(/^([^\s@]+@)?sha256:[0-9a-f]{64}$/);
        expect(options.User).toBe(owner.user);
        expect(host.PidsLimit).toBeLessThanOrEqual(4_096);
        for (const mount of host.Mounts ?? []) {
          expect(mount.Type).toBe("bind");
          expect(mount.ReadOnly ?? false).toBe(mount.Target !== "/gridpost/out");
          expect(mount.Source).not.toMatch(/docker\.sock|^\/$|^\/(proc|sys|dev|etc|run)\b|\.\./);
        }
        for (const device of host.Devices ?? [])
          expect(device.PathOnHost).toMatch(/^\/dev\/(kfd|dri\/renderD\d+)$/);
        expect(options.Env?.filter((line) => line.startsWith("NVIDIA_"))).toEqual(
          launch.gpus.length === 0 ? ["NVIDIA_VISIBLE_DEVICES=void"] : [],
        );
      }),
      { numRuns: 3_000 },
    );
    expect(accepted).toBeGreaterThan(100);
  });

  it("open exactly the GPUs of the slot", () => {
    const nvidia = createOptions({ ...good, gpus: [{ uuid: "GPU-1", vendor: "nvidia" }] }, owner);
    expect(nvidia.HostConfig.DeviceRequests).toEqual([
      { Driver: "nvidia", DeviceIDs: ["GPU-1"], Capabilities: [["gpu", "compute", "utility"]] },
    ]);
    const amd = createOptions(
      {
        ...good,
        gpus: [{ uuid: "0xabc", vendor: "amd" }],
        devices: [
          { path: "/dev/kfd", gid: 109 },
          { path: "/dev/dri/renderD128", gid: 109 },
        ],
      },
      owner,
    );
    expect(amd.HostConfig.Devices).toMatchObject([
      { PathOnHost: "/dev/kfd" },
      { PathOnHost: "/dev/dri/renderD128" },
    ]);
    expect(amd.HostConfig.GroupAdd).toEqual(["109"]);
  });

  it("refuse an image by tag", () => {
    expect(() => createOptions({ ...good, image: "busybox:1" }, owner)).toThrow(
      /digest or id only/,
    );
  });
});

describe("log frames", () => {
  it("come apart the same wherever the stream was cut", () => {
    const frame = fc.record({
      stream: fc.constantFrom("stdout" as const, "stderr" as const),
      bytes: fc.uint8Array({ maxLength: 40 }),
    });
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 8 }), fc.array(fc.nat(400)), (frames, cuts) => {
        const whole = Buffer.concat(
          frames.flatMap(({ stream, bytes }) => {
            const header = Buffer.alloc(8);
            header[0] = stream === "stderr" ? 2 : 1;
            header.writeUInt32BE(bytes.length, 4);
            return [header, bytes];
          }),
        );
        const places = [0, ...cuts.map((cut) => cut % (whole.length + 1)), whole.length].toSorted(
          (a, b) => a - b,
        );
        const parser = new LogFrames();
        const out = { stdout: "", stderr: "" };
        for (let i = 1; i < places.length; i += 1) {
          for (const chunk of parser.push(whole.subarray(places[i - 1], places[i])))
            out[chunk.stream] += chunk.bytes.toString("hex");
        }
        const of = (stream: string) =>
          frames
            .filter((each) => each.stream === stream)
            .map(({ bytes }) => Buffer.from(bytes).toString("hex"))
            .join("");
        expect(out).toEqual({ stdout: of("stdout"), stderr: of("stderr") });
      }),
    );
  });
});
