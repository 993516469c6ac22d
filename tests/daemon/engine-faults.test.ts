import { once } from "node:events";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, request, type Server } from "node:http";
import { createServer as createSocketServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { newId } from "../../contract/ids.ts";
import { dockerLauncher } from "../../daemon/docker/driver.ts";
import { engineCall } from "../../daemon/docker/engine-call.ts";
import {
  EngineGoneError,
  executionName,
  type Launch,
  type Launcher,
} from "../../daemon/launcher.ts";
import { describeWithEngine } from "../support/engine.ts";
import { launchIn } from "./launch-in.ts";

describe("a call of the engine", () => {
  it("ends when no answer comes", async () => {
    const call = engineCall("hang", 50, () => new Promise(() => undefined));
    await expect(call).rejects.toThrow(EngineGoneError);
  });

  it("passes on what the engine refused, and calls everything else gone", async () => {
    const refused = Object.assign(new Error("(HTTP code 409) conflict - in use "), {
      statusCode: 409,
    });
    await expect(engineCall("x", 50, () => Promise.reject(refused))).rejects.toBe(refused);
    const broken = engineCall("x", 50, () => Promise.reject(new Error("ECONNRESET")));
    await expect(broken).rejects.toThrow(EngineGoneError);
  });

  it("leaves no connection to an engine that does not answer", async () => {
    const folder = await mkdtemp(join(tmpdir(), "gridpost-mute-"));
    const mute = createSocketServer((socket) => socket.resume());
    await new Promise<void>((resolve) => mute.listen(join(folder, "engine.sock"), resolve));
    vi.stubEnv("DOCKER_HOST", `unix://${join(folder, "engine.sock")}`);
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const asked = dockerLauncher({ install: newId(), user: "65532:65532" }).engine();
    const gone = expect(asked).rejects.toThrow(EngineGoneError);
    const [connection] = (await once(mute, "connection")) as [Socket];
    const closed = once(connection, "close");
    await vi.advanceTimersByTimeAsync(60_000);
    vi.useRealTimers();
    vi.unstubAllEnvs();
    await gone;
    await closed;
    mute.close();
    await rm(folder, { recursive: true });
  });
});

describeWithEngine("an engine that lies or goes away", ({ docker, image }) => {
  const real = process.env["DOCKER_HOST"];
  const realSocket = real?.replace("unix://", "") ?? "/var/run/docker.sock";
  /** What happens to a request after the real engine has carried it out. */
  let fault: (method: string, path: string) => "pass" | "error" | "drop" | "no GPUs" = () => "pass";
  let folder: string;
  let between: Server;
  let launcher: Launcher;
  let launch: Launch;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "gridpost-engine-"));
    await chmod(folder, 0o755);
    between = createServer((inbound, answer) => {
      const { method = "", url = "", headers } = inbound;
      const outbound = request({ socketPath: realSocket, method, path: url, headers }, (reply) => {
        const what = fault(method, url);
        if (what === "drop") answer.destroy();
        else if (what === "no GPUs") {
          void json(reply).then((container) => {
            Object.assign((container as { HostConfig: object }).HostConfig, {
              DeviceRequests: null,
            });
            answer.end(JSON.stringify(container));
          });
          return;
        } else if (what === "error") answer.writeHead(500).end('{"message":"it went wrong"}');
        else {
          answer.writeHead(reply.statusCode ?? 500, reply.headers);
          reply.pipe(answer);
          return;
        }
        reply.resume();
      });
      outbound.on("error", () => answer.destroy());
      answer.on("close", () => outbound.destroy());
      inbound.pipe(outbound);
    });
    const socket = join(folder, "engine.sock");
    await new Promise<void>((resolve) => between.listen(socket, resolve));
    process.env["DOCKER_HOST"] = `unix://${socket}`;
    launcher = dockerLauncher({ install: newId(), user: "65532:65532" });
    if (real === undefined) delete process.env["DOCKER_HOST"];
    else process.env["DOCKER_HOST"] = real;
    // It ends when the test lets it.
    const script = "echo one; until [ -e ${out}/go ]; do sleep 0.1; done; echo two; exit 9";
    const { Id } = await docker.getImage(image).inspect();
    launch = launchIn(folder, ["sh", "-c", script], { image: Id });
  });
  afterEach(() => {
    fault = () => "pass";
  });
  afterAll(async () => {
    await launcher.remove(launch.name);
    between.closeAllConnections();
    between.close();
    await rm(folder, { recursive: true });
  });

  it("has made a container although it says otherwise: it is adopted", async () => {
    fault = (method, path) => (method === "POST" && path.includes("/create") ? "error" : "pass");
    const { id, state } = await launcher.create(launch);
    expect(state).toBe("created");
    expect(await launcher.create(launch)).toMatchObject({ id, state: "created" });
  });

  it("has started it although no answer came: the next look finds it running", async () => {
    fault = (method, path) => (method === "POST" && path.includes("/start") ? "drop" : "pass");
    await expect(launcher.start(launch.name)).rejects.toThrow(EngineGoneError);
    expect((await launcher.inspect(launch.name))?.state).toBe("running");
  });

  it("breaks a wait and a log stream: both say so, and the log goes on where it stopped", async () => {
    const signal = new AbortController().signal;
    const from = { stdout: 0, stderr: 0 };
    const broken = (async () => {
      for await (const { bytes } of launcher.logs(launch.name, { from, signal })) {
        from.stdout += bytes.length;
        between.closeAllConnections();
      }
    })();
    await expect(broken).rejects.toThrow(EngineGoneError);
    expect(from.stdout).toBe(4);
    const breaking = setInterval(() => between.closeAllConnections(), 100);
    await expect(launcher.wait(launch.name, signal)).rejects.toThrow(EngineGoneError);
    clearInterval(breaking);
    await writeFile(join(folder, "go"), "");
    await launcher.wait(launch.name, signal);
    expect(await launcher.inspect(launch.name)).toMatchObject({ state: "exited", exitCode: 9 });
    let rest = "";
    for await (const { bytes } of launcher.logs(launch.name, { from, signal }))
      rest += bytes.toString();
    expect(rest).toBe("two\n");
  });

  it("has made a container without the GPUs that were asked for: nothing is left of it", async () => {
    const attempt = newId();
    const name = executionName(attempt, 1);
    const gpus = [{ uuid: "GPU-1", vendor: "nvidia" as const }];
    fault = (method, path) =>
      method === "GET" && /\/containers\/[0-9a-f]{64}\/json/.test(path) ? "no GPUs" : "pass";
    await expect(launcher.create({ ...launch, attempt, name, gpus })).rejects.toThrow(
      /does not open NVIDIA GPUs/,
    );
    expect(await launcher.inspect(name)).toBeNull();
  });

  it("is not asked at all on another machine", () => {
    process.env["DOCKER_HOST"] = "tcp://192.0.2.1:2375";
    try {
      expect(() => dockerLauncher({ install: newId(), user: "1:1" })).toThrow(/192\.0\.2\.1/);
    } finally {
      if (real === undefined) delete process.env["DOCKER_HOST"];
      else process.env["DOCKER_HOST"] = real;
    }
  });
});
