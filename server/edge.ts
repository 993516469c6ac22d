import { readFile } from "node:fs/promises";
import { ProblemError } from "../contract/problem.ts";
import type { Edge } from "./app.ts";
import type { Settings } from "./settings.ts";

/** How the server meets the network, with the certificate's files read. @throws ProblemError BAD_REQUEST */
export async function readEdge({ tls, trustProxy, limits }: Settings): Promise<Edge> {
  if (tls === undefined) return { tls: null, trustProxy, limits };
  const [cert, key] = await Promise.all([read("tls.cert", tls.cert), read("tls.key", tls.key)]);
  return { tls: { cert, key }, trustProxy, limits };
}

async function read(setting: string, file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ProblemError("BAD_REQUEST", `${setting} cannot be read: ${reason}`, {
      next: `give ${setting} the path of a PEM file that the server's user can read`,
    });
  }
}
