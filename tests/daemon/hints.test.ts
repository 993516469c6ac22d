import type { AddressInfo } from "node:net";
import { pino } from "pino";
import { expect, it } from "vitest";
import { WebSocketServer } from "ws";
import { hintLoop } from "../../daemon/hints.ts";
import type { Node } from "../../daemon/node.ts";
import { Alarm } from "../../daemon/timers.ts";

it("reads on after a frame that is none, and is woken by the next one", async () => {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  server.on("connection", (socket) => {
    socket.send("<html>");
    socket.send(JSON.stringify({ type: "work" }));
  });
  await new Promise((resolve) => server.once("listening", resolve));
  const detach = new AbortController();
  const wakeClaims = new Alarm();
  const node = {
    server: {
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      token: () => Promise.resolve("t"),
    },
    log: pino({ level: "silent" }),
    spool: { sessions: () => [] },
    contact: { draining: false },
    wakeClaims,
    wakeBeat: new Alarm(),
    detach: detach.signal,
  };
  const loop = hintLoop(node as unknown as Node);
  const from = performance.now();
  await wakeClaims.wait(8_000, detach.signal);
  expect(performance.now() - from).toBeLessThan(7_000);
  detach.abort();
  await loop;
  await new Promise((resolve) => server.close(resolve));
});
