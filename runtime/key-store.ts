import { createHash, generateKeyPairSync } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import { PublicJwk } from "../contract/events/identity.ts";
import { Time } from "../contract/ids.ts";
import { ProblemError } from "../contract/problem.ts";
import { readPrivate, writePrivate } from "./private-file.ts";

/** An Ed25519 key with its private half, as JWK (RFC 8037). */
const PrivateJwk = PublicJwk.extend({ d: z.string() });
export type PrivateJwk = z.infer<typeof PrivateJwk>;

/** Who the key of a home is on one server. */
const Membership = z.object({
  audience: z.string(),
  principal: z.string(),
  /** Where the server was when the home joined it. */
  url: z.string(),
});
export type Membership = z.infer<typeof Membership>;

const CachedToken = z.object({ token: z.string(), expiresAt: Time });
export type CachedToken = z.infer<typeof CachedToken>;

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

const Latest = z.object({ url: z.string() });

/** The credentials in `GRIDPOST_HOME`: one key, one membership per server, access tokens by address. */
export interface KeyStore {
  readonly home: string;
  /** The home's key; made on first use. */
  key(): Promise<PrivateJwk>;
  membership(audience: string): Promise<Membership | undefined>;
  /** Keeps a membership and makes its server the default one. */
  addMembership(membership: Membership): Promise<void>;
  /** The address of the server joined last; undefined before the first join. */
  defaultUrl(): Promise<string | undefined>;
  cachedToken(of: TokenFor): Promise<CachedToken | undefined>;
  cacheToken(of: TokenFor, token: CachedToken): Promise<void>;
}

/** Opens the credentials of a home; files and folder appear with the first write. */
export function createKeyStore(home: string): KeyStore {
  const files = {
    key: join(home, "key.json"),
    latest: join(home, "latest.json"),
    membership: (audience: string) => join(home, "servers", `${digest(audience)}.json`),
    token: ({ url, agent }: TokenFor) =>
      join(home, "tokens", `${digest(JSON.stringify([url, agent?.project, agent?.name]))}.json`),
  };
  return {
    home,
    key: async () => {
      const known = await read(files.key, PrivateJwk);
      if (known !== undefined) return known;
      const made = makeKey();
      await writePrivate(files.key, JSON.stringify(made));
      return made;
    },
    membership: (audience) => read(files.membership(audience), Membership),
    addMembership: async (membership) => {
      await writePrivate(files.membership(membership.audience), JSON.stringify(membership));
      await writePrivate(files.latest, JSON.stringify({ url: membership.url }));
    },
    defaultUrl: async () => (await read(files.latest, Latest))?.url,
    // A token that cannot be read is as good as none: a new one is cheap.
    cachedToken: (of) => read(files.token(of), CachedToken).catch(() => undefined),
    cacheToken: (of, token) => writePrivate(files.token(of), JSON.stringify(token)),
  };
}

/** A new Ed25519 key. */
export function makeKey(): PrivateJwk {
  return PrivateJwk.parse(generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" }));
}

export const publicHalf = ({ kty, crv, x }: PublicJwk): PublicJwk => ({ kty, crv, x });

const digest = (text: string): string =>
  createHash("sha256").update(text).digest("hex").slice(0, 32);

async function read<T extends z.ZodType>(
  path: string,
  schema: T,
): Promise<z.output<T> | undefined> {
  const text = await readPrivate(path);
  if (text === undefined) return undefined;
  const parsed = schema.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  throw new ProblemError("BAD_REQUEST", `${path} is damaged: ${z.prettifyError(parsed.error)}`, {
    next: "restore the file, or move it away and join the server again",
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
