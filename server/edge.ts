import { readFile } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import { ProblemError } from "../contract/problem.ts";
import type { Edge } from "./app.ts";
import type { Settings } from "./settings.ts";

/** How the server meets the network, with the certificate's files read. @throws ProblemError BAD_REQUEST */
export async function readEdge({ tls, trustProxy, limits }: Settings): Promise<Edge> {
  if (tls === undefined) return { tls: null, trustProxy, limits };
  const [cert, key] = await Promise.all([read("tls.cert", tls.cert), read("tls.key", tls.key)]);
  refuseOthers(cert, key);
  return { tls: { cert, key }, trustProxy, limits };
}

function refuseOthers(cert: Buffer, key: Buffer): void {
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const problem = `tls.cert and tls.key are no certificate and its key: ${reason}`;
    throw new ProblemError("BAD_REQUEST", problem, {
      next: "give them the paths of PEM files that belong together; the key without a passphrase",
      cause: error,
    });
  }
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
