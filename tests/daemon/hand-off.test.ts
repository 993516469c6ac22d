import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { runDaemon } from "../../daemon/main.ts";
import { openLocalFile } from "../../storage/local-file.ts";

it("a daemon that is told to end while it waits for a server at its start ends in time", async () => {
  const data = await mkdtemp(join(tmpdir(), "gridpost-hand-off-"));
  const tokenFile = join(data, "token");
  await writeFile(tokenFile, `gpj_${"t".repeat(22)}.${"f".repeat(43)}`, { mode: 0o600 });
  const mute = createServer((socket) => socket.on("error", () => undefined)).listen(0, "127.0.0.1");
  await once(mute, "listening");
  const { port } = mute.address() as AddressInfo;
  const exit = vi.spyOn(process, "exit").mockImplementation((() => undefined) as never);
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const url = `http://127.0.0.1:${port}`;
    const ended = runDaemon({ url, tokenFile, name: "n", data }, openLocalFile).catch(String);
    await once(mute, "connection");
    process.emit("SIGTERM", "SIGTERM");
    await vi.advanceTimersByTimeAsync(9_000);
    expect(exit).toHaveBeenCalledWith(0);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(await ended).toMatch("no answer in time");
  } finally {
    vi.useRealTimers();
    vi.restoreAllMocks();
    mute.close();
    await rm(data, { recursive: true, force: true });
  }
});
