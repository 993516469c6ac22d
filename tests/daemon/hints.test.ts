import type { AddressInfo } from "node:net";
import { pino } from "pino";
import { expect, it } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { hintLoop } from "../../daemon/hints.ts";
import type { Node } from "../../daemon/node.ts";
import { Alarm } from "../../daemon/timers.ts";

/** Runs the loop against a server that speaks so, until the loop has woken who waits for work. */
async function untilWoken(
  onConnection: (socket: WebSocket) => void,
): Promise<{ hinted: boolean[]; asked: boolean[] }> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  server.on("connection", onConnection);
  await new Promise((resolve) => server.once("listening", resolve));
  const detach = new AbortController();
  const wakeClaims = new Alarm();
  const hinted: boolean[] = [];
  /** For each connection, whether it asked for a new token. */
  const asked: boolean[] = [];
  const node = {
    server: {
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      token: (fresh: boolean) => {
        asked.push(fresh);
        return Promise.resolve("t");
      },
    },
    log: pino({ level: "silent" }),
    spool: { sessions: () => [] },
    contact: { draining: false },
    wakeClaims,
    wakeBeat: new Alarm(),
    set hinted(now: boolean) {
      hinted.push(now);
    },
    detach: detach.signal,
  };
  const loop = hintLoop(node as unknown as Node);
  const from = performance.now();
  await wakeClaims.wait(60_000, detach.signal);
  expect(performance.now() - from).toBeLessThan(59_000);
  detach.abort();
  await loop;
  await new Promise((resolve) => server.close(resolve));
  return { hinted, asked };
}

it("reads on after a frame that is none, and is woken by the next one", async () => {
  await untilWoken((socket) => {
    socket.send("<html>");
    socket.send(JSON.stringify({ type: "work" }));
  });
});

it("gives up a stream that says nothing any more, and opens another", async () => {
  let opened = 0;
  const { hinted } = await untilWoken((socket) => {
    opened += 1;
    // After this word the line is a black hole: no ping, no close.
    socket.send(JSON.stringify({ type: "hello", protocol: 1, version: "0", pingMs: 100 }));
    if (opened > 1) socket.send(JSON.stringify({ type: "work" }));
  });
  expect(opened).toBeGreaterThan(1);
  // While nothing says when there is work, polls are frequent again.
  expect(hinted.slice(0, 3)).toEqual([true, false, true]);
});

it("asks for no new token when a stream that was open has ended", async () => {
  let opened = 0;
  const { asked } = await untilWoken((socket) => {
    opened += 1;
    if (opened === 3) return socket.send(JSON.stringify({ type: "work" }));
    socket.once("message", () => socket.terminate());
  });
  expect(asked).toEqual([false, false, false]);
});
