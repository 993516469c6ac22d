import { Server as TlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { FastifyInstance } from "fastify";
import { ProblemError } from "../contract/problem.ts";

const ADVICE: Readonly<Record<string, string>> = {
  EADDRINUSE: "stop the program that uses the port, or choose another with --listen HOST:PORT",
  EACCES: "choose a port above 1023 with --listen HOST:PORT",
  EADDRNOTAVAIL: "this machine has no such address: choose one with --listen HOST:PORT",
  ENOTFOUND: "this host name is unknown: choose an address with --listen HOST:PORT",
};
const IDLE_CHECK_MS = 50;

/** Listens and answers with the address. @throws ProblemError UNAVAILABLE with what to do */
export async function listen(
  app: FastifyInstance,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<string> {
  watchSilent(app);
  try {
    await app.listen({ host, port });
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    const next = ADVICE[code];
    if (next === undefined) throw error;
    throw new ProblemError("UNAVAILABLE", `cannot listen on ${host}:${port} (${code})`, {
      next,
      cause: error,
    });
  }
  // A TCP server has an address with a port, never a pipe's name.
  const { address, family, port: bound } = app.server.address() as AddressInfo;
  const scheme = app.server instanceof TlsServer ? "https" : "http";
  return `${scheme}://${family === "IPv6" ? `[${address}]` : address}:${bound}`;
}

/** Connections that have not sent a byte yet: Node counts them as busy and would wait a minute for their request. */
const silent = new WeakMap<FastifyInstance["server"], Set<Socket>>();

function watchSilent({ server }: FastifyInstance): void {
  const sockets = new Set<Socket>();
  silent.set(server, sockets);
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => void sockets.delete(socket));
  });
  server.on("request", ({ socket }) => void sockets.delete(socket));
  server.on("upgrade", ({ socket }) => void sockets.delete(socket));
}

/** Takes no new connection, answers what has arrived, and closes connections as they fall idle. */
export async function closeGracefully(app: FastifyInstance): Promise<void> {
  const timer = setInterval(() => {
    app.server.closeIdleConnections();
    for (const socket of silent.get(app.server) ?? []) if (socket.bytesRead === 0) socket.destroy();
  }, IDLE_CHECK_MS);
  try {
    await app.close();
  } finally {
    clearInterval(timer);
  }
}
