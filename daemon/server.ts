import { readFile } from "node:fs/promises";
import { createClient } from "../contract/client.ts";
import { ProblemError } from "../contract/problem.ts";
import { tokenSource } from "../runtime/access-token.ts";
import { openHome } from "../runtime/home.ts";
import { joinServer } from "../runtime/join.ts";
import { originOf, refusePlainHttp } from "../runtime/server-url.ts";
import type { DaemonOptions } from "./options.ts";
import type { Server } from "./ports.ts";

/**
 * The server as this node: joins with the token at the first start, and uses the key in the data folder afterwards.
 * @throws ProblemError BAD_REQUEST without a key and without a token file, or for plain HTTP beyond loopback; what the server answers; UnreachableError
 */
export async function connect(options: DaemonOptions): Promise<Server> {
  const { url, data, insecure } = options;
  const home = openHome(data);
  if ((await home.defaultUrl()) === undefined) await join(options);
  // Now, and not with the first call: a daemon whose calls can never go out must not seem to start.
  const origin = originOf(url);
  refusePlainHttp(origin, insecure || (await home.isPlainHttpAllowed(origin)));
  const token = tokenSource({ home: data, url, insecure });
  return { url, token, client: createClient({ url, token }) };
}

async function join({ url, data, name, tokenFile, insecure }: DaemonOptions): Promise<void> {
  if (tokenFile === undefined) {
    throw new ProblemError("BAD_REQUEST", `this node has not joined ${url} yet`, {
      next: `make a join token with "gridpost token create --kind node --name ${name}" and give it with --token-file`,
    });
  }
  const token = await readFile(tokenFile, "utf8").catch((error: unknown) => {
    throw new ProblemError("BAD_REQUEST", `cannot read the join token: ${String(error)}`, {
      next: "give the path of a file that holds it",
      cause: error,
    });
  });
  await joinServer({ url, token, name, home: data, insecure });
}
