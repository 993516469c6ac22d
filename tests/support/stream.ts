import { WebSocket } from "ws";
import { Downstream, type Upstream } from "../../contract/stream.ts";

/** A client of `/v1/stream` that collects frames. */
export interface TestStream {
  readonly frames: Downstream[];
  send(frame: Upstream): void;
  /** Resolves with the first frame, past or future, that fits. */
  until(fits: (frame: Downstream) => boolean): Promise<Downstream>;
  /** Resolves with the close code. */
  readonly closed: Promise<number>;
  close(): void;
}

/** Connects; rejects with the HTTP status when the upgrade is refused. */
export function openStream(url: string, token?: string): Promise<TestStream> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const socket = new WebSocket(`${url.replace("http", "ws")}/v1/stream`, { headers });
  const frames: Downstream[] = [];
  const watchers = new Set<() => void>();
  socket.on("message", (data: Buffer) => {
    frames.push(Downstream.parse(JSON.parse(data.toString())));
    for (const watcher of watchers) watcher();
  });
  const closed = new Promise<number>((resolve) => socket.once("close", resolve));
  const stream: TestStream = {
    frames,
    send: (frame) => socket.send(JSON.stringify(frame)),
    until: (fits) =>
      new Promise((resolve) => {
        const look = (): void => {
          const found = frames.find(fits);
          if (found === undefined) return;
          watchers.delete(look);
          resolve(found);
        };
        watchers.add(look);
        look();
      }),
    closed,
    close: () => socket.close(),
  };
  return new Promise((resolve, reject) => {
    socket.once("open", () => resolve(stream));
    socket.once("unexpected-response", (_request, response) => {
      reject(new Error(String(response.statusCode)));
    });
    socket.once("error", reject);
  });
}
