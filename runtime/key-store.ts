import { generateKeyPairSync } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import { PublicJwk } from "../contract/events/identity.ts";
import { ProblemError } from "../contract/problem.ts";
import { digest, openHome } from "./home.ts";
import { createPrivate, readPrivate, writePrivate } from "./private-file.ts";

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

/** The credentials in `GRIDPOST_HOME`: one key, one membership per server. */
export interface KeyStore {
  readonly home: string;
  /** The home's key; made on first use. */
  key(): Promise<PrivateJwk>;
  membership(audience: string): Promise<Membership | undefined>;
  /** Keeps a membership and makes its server the default one. */
  addMembership(membership: Membership): Promise<void>;
}

/** Opens the credentials of a home; files and folder appear with the first write. */
export function createKeyStore(home: string): KeyStore {
  const files = {
    key: join(home, "key.json"),
    membership: (audience: string) => join(home, "servers", `${digest(audience)}.json`),
  };
  return {
    home,
    key: async () => {
      const known = await read(files.key, PrivateJwk);
      if (known !== undefined) return known;
      const made = makeKey();
      const first = await createPrivate(files.key, JSON.stringify(made));
      return first ? made : ((await read(files.key, PrivateJwk)) ?? made);
    },
    membership: (audience) => read(files.membership(audience), Membership),
    addMembership: async (membership) => {
      await writePrivate(files.membership(membership.audience), JSON.stringify(membership));
      await openHome(home).setDefaultUrl(membership.url);
    },
  };
}

/** A new Ed25519 key. */
export function makeKey(): PrivateJwk {
  return PrivateJwk.parse(generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" }));
}

export const publicHalf = ({ kty, crv, x }: PublicJwk): PublicJwk => ({ kty, crv, x });

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

/** What a JSON text says; undefined for a text that is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
