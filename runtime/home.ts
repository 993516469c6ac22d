import { createHash } from "node:crypto";
import { join } from "node:path";
import { readPrivate, writePrivate } from "./private-file.ts";

/** The agent that a user acts as. */
export interface AgentRef {
  readonly project: string;
  readonly name: string;
}

/** Which access token: of which server, by its address, and acting as whom. */
export interface TokenFor {
  readonly url: string;
  readonly agent?: AgentRef;
}

export interface CachedToken {
  readonly token: string;
  /** ISO 8601 in UTC. */
  readonly expiresAt: string;
}

/**
 * What a command reads from a home before it may need the key: the server's address and the access tokens. Without
 * zod, because loading it takes as long as the rest of a command.
 */
export interface Home {
  readonly path: string;
  /** The address of the server joined last; undefined before the first join. */
  defaultUrl(): Promise<string | undefined>;
  setDefaultUrl(url: string): Promise<void>;
  cachedToken(of: TokenFor): Promise<CachedToken | undefined>;
  cacheToken(of: TokenFor, token: CachedToken): Promise<void>;
  /** Whether credentials may go to this address over plain HTTP, as a join with `--insecure` has said. */
  isPlainHttpAllowed(url: string): Promise<boolean>;
  allowPlainHttp(url: string): Promise<void>;
}

/** Opens a home; files and folder appear with the first write. */
export function openHome(path: string): Home {
  const latest = join(path, "latest.json");
  const token = ({ url, agent }: TokenFor): string =>
    join(path, "tokens", `${digest(JSON.stringify([url, agent?.project, agent?.name]))}.json`);
  const plain = (url: string): string => join(path, "insecure", `${digest(url)}.json`);
  return {
    path,
    defaultUrl: async () => {
      const found = await readObject(latest);
      return typeof found?.["url"] === "string" ? found["url"] : undefined;
    },
    setDefaultUrl: (url) => writePrivate(latest, JSON.stringify({ url })),
    // A token that cannot be read is as good as none: a new one is cheap.
    cachedToken: async (of) => {
      const found = await readObject(token(of)).catch(() => undefined);
      return isCachedToken(found) ? found : undefined;
    },
    cacheToken: (of, made) => writePrivate(token(of), JSON.stringify(made)),
    isPlainHttpAllowed: async (url) => (await readObject(plain(url)))?.["url"] === url,
    allowPlainHttp: (url) => writePrivate(plain(url), JSON.stringify({ url })),
  };
}

/** A file name for what may hold any character. */
export const digest = (text: string): string =>
  createHash("sha256").update(text).digest("hex").slice(0, 32);

const isCachedToken = (value: unknown): value is CachedToken =>
  typeof value === "object" &&
  value !== null &&
  "token" in value &&
  typeof value.token === "string" &&
  "expiresAt" in value &&
  typeof value.expiresAt === "string";

async function readObject(path: string): Promise<Record<string, unknown> | undefined> {
  const text = await readPrivate(path);
  try {
    const parsed: unknown = JSON.parse(text ?? "null");
    return typeof parsed === "object" && parsed !== null ? { ...parsed } : undefined;
  } catch {
    return undefined;
  }
}
