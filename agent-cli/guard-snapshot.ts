import { createPublicKey, verify } from "node:crypto";
import { join } from "node:path";
import type { GuardLease, GuardSnapshot } from "../contract/guard.ts";
import { Holdings } from "../contract/pattern/holdings.ts";
import { digest } from "../runtime/home.ts";
import { readPrivate, writePrivate } from "../runtime/private-file.ts";
import type { Answer } from "./api.ts";

type Jwks = Answer<"GET /.well-known/jwks.json">;

/** How long a snapshot answers for the server. */
const LIVES_MS = 60_000;

/** Whose snapshot of which repository. */
export interface SnapshotOf {
  readonly home: string;
  readonly url: string;
  readonly project: string;
  readonly repo: string;
  /** The agent that was named, or whose leases do not block. */
  readonly as: string;
}

interface Saved {
  /** By this machine's clock. */
  readonly savedAt: number;
  readonly snapshot: string;
  readonly keys: Jwks["keys"];
}

const fileOf = ({ home, url, project, repo, as }: SnapshotOf): string =>
  join(home, "guard", `${digest(JSON.stringify([url, project, repo, as]))}.json`);

/** Keeps a snapshot with the keys that it can be verified with; asks for them only when one is new. */
export async function saveSnapshot(
  of: SnapshotOf,
  snapshot: string,
  fetchKeys: () => Promise<Jwks>,
): Promise<void> {
  const before = await read(of);
  const kid = headerOf(snapshot)?.kid;
  const known = before?.keys.some((key) => key.kid === kid) ?? false;
  const keys = known && before !== undefined ? before.keys : (await fetchKeys()).keys;
  const saved: Saved = { savedAt: Date.now(), snapshot, keys };
  await writePrivate(fileOf(of), JSON.stringify(saved));
}

/** The leases of a snapshot that is young enough and signed by the server; undefined without one. */
export async function freshLeases(of: SnapshotOf): Promise<readonly GuardLease[] | undefined> {
  const saved = await read(of);
  if (saved === undefined) return undefined;
  const age = Date.now() - saved.savedAt;
  if (age < 0 || age > LIVES_MS) return undefined;
  const snapshot = verified(saved);
  return snapshot?.repo === of.repo && snapshot.project === of.project
    ? snapshot.leases
    : undefined;
}

/** The leases that cover one of the paths, with the first path that each covers. */
export function blockedBy(
  leases: readonly GuardLease[],
  paths: readonly string[],
  ref: string | undefined,
): (GuardLease & { readonly path: string })[] {
  const here = leases.filter(
    ({ refs }) => refs === null || ref === undefined || refs.includes(ref),
  );
  const holdings = new Holdings(here);
  return paths.flatMap((path) => holdings.of(path).map((lease) => ({ ...lease, path })));
}

async function read(of: SnapshotOf): Promise<Saved | undefined> {
  try {
    return JSON.parse((await readPrivate(fileOf(of))) ?? "") as Saved;
  } catch {
    return undefined;
  }
}

function verified({ snapshot, keys }: Saved): GuardSnapshot | undefined {
  const [header = "", payload = "", signature = ""] = snapshot.split(".");
  const key = keys.find(({ kid }) => kid === headerOf(snapshot)?.kid);
  if (key === undefined || headerOf(snapshot)?.alg !== "EdDSA") return undefined;
  const { kty, crv, x } = key;
  const signed = verify(
    null,
    Buffer.from(`${header}.${payload}`),
    createPublicKey({ key: { kty, crv, x }, format: "jwk" }),
    Buffer.from(signature, "base64url"),
  );
  // The server's signature vouches for the shape.
  return signed ? (parse(payload) as GuardSnapshot) : undefined;
}

const headerOf = (jws: string): { readonly kid?: string; readonly alg?: string } | undefined =>
  parse(jws.split(".")[0] ?? "") as { kid?: string; alg?: string } | undefined;

function parse(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, "base64url").toString());
  } catch {
    return undefined;
  }
}
