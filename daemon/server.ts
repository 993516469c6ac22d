import { readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { createClient } from "../contract/client.ts";
import { ProblemError } from "../contract/problem.ts";
import { tokenSource, type TokenSource } from "../runtime/access-token.ts";
import { openHome } from "../runtime/home.ts";
import { joinServer } from "../runtime/join.ts";
import { NoCredentialsError } from "../runtime/no-credentials.ts";
import { originOf, refusePlainHttp } from "../runtime/server-url.ts";
import type { DaemonOptions } from "./options.ts";
import type { Log, Server } from "./ports.ts";

/** What runs waits to be followed meanwhile. */
const ASK_MS = 5_000;

/**
 * The server as this node: joins with the token at the first start, and uses the key in the data folder afterwards. Where
 * the server takes that key no more, a token that is given joins it anew.
 * @throws ProblemError BAD_REQUEST without a key and without a token file, or for plain HTTP beyond loopback; what the server answers; UnreachableError
 */
export async function connect(options: DaemonOptions, log: Log): Promise<Server> {
  const { url, data, insecure } = options;
  const home = openHome(data);
  const joined = (await home.defaultUrl()) !== undefined;
  if (!joined) await joinWithToken(options);
  // Now, and not with the first call: a daemon whose calls can never go out must not seem to start.
  const origin = originOf(url);
  refusePlainHttp(origin, insecure || (await home.isPlainHttpAllowed(origin)));
  const token = tokenSource({ home: data, url, insecure });
  const asking = tokenSource({ home: data, url, insecure, timeoutMs: ASK_MS });
  if (joined && options.tokenFile !== undefined && (await isRefused(asking)))
    await joinAnew(options, log);
  return { url, token, client: createClient({ url, token }) };
}

/** Whether the server knows no such key, or has revoked it; not while it cannot be asked. */
async function isRefused(token: TokenSource): Promise<boolean> {
  try {
    await token(true);
    return false;
  } catch (error) {
    if (error instanceof ProblemError) return error.code === "UNAUTHENTICATED";
    return error instanceof NoCredentialsError;
  }
}

/** With a new key: others may have a copy of one that was revoked. A token that is void leaves everything as it is. */
async function joinAnew(options: DaemonOptions, log: Log): Promise<void> {
  const key = join(options.data, "key.json");
  const aside = `${key}.refused-${Date.now()}`;
  await rename(key, aside);
  try {
    await joinWithToken(options);
    log.warn({ aside }, "the server took the key no more: joined again with a new one");
  } catch (error) {
    await rename(aside, key);
    log.error({ error: String(error) }, "the server takes the key no more, nor the join token");
  }
}

async function joinWithToken({
  url,
  data,
  name,
  tokenFile,
  insecure,
}: DaemonOptions): Promise<void> {
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
