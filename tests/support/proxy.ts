import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** A TCP relay in front of a server, to cut the line between two that stay alive. */
export interface Proxy {
  readonly url: string;
  /** Breaks every connection and lets no new one through. */
  cut(): void;
  /** Lets calls through and drops every answer, as where only one direction works. */
  mute(): void;
  heal(): void;
  close(): Promise<void>;
}

export async function startProxy(target: string): Promise<Proxy> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let isCut = false;
  let isMute = false;
  const relay = createServer((near) => {
    if (isCut) {
      near.destroy();
      return;
    }
    const far = connect(Number(port), hostname);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on("data", (bytes: Buffer) => {
        if (from === near || !isMute) to.write(bytes);
      });
      from.on("end", () => to.end());
      from.on("error", () => to.destroy());
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  relay.listen(0, "127.0.0.1");
  await once(relay, "listening");
  const address = relay.address();
  const own = typeof address === "object" ? address?.port : undefined;
  const breakAll = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${own}`,
    cut: () => {
      isCut = true;
      breakAll();
    },
    mute: () => {
      isMute = true;
    },
    heal: () => {
      if (isMute) breakAll();
      isCut = false;
      isMute = false;
    },
    close: async () => {
      breakAll();
      relay.close();
      await once(relay, "close");
    },
  };
}
