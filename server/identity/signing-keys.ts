import { hkdfSync } from "node:crypto";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { calculateJwkThumbprint, type CryptoKey, importJWK } from "jose";
import { z } from "zod";
import { PublicJwk } from "../../contract/events/identity.ts";
import { ProblemError } from "../../contract/problem.ts";
import { ACCESS_LIFETIME_MS, TOKEN_ALGORITHM } from "../../contract/token.ts";
import { makeKey, parseJson, type PrivateJwk, publicHalf } from "../../runtime/key-store.ts";
import { readPrivate, writePrivate } from "../../runtime/private-file.ts";
import type { Query } from "../../storage/db.ts";
import { signingKeys, type SigningKeyRow } from "./store.ts";

const PrivateKeyFile = PublicJwk.extend({ d: z.string() });

export interface SigningKey {
  /** The RFC 7638 thumbprint: what join tokens carry as the server's fingerprint. */
  readonly kid: string;
  readonly key: CryptoKey;
  readonly jwk: PublicJwk;
}

/** The server's signing keys: private halves in `<data>/keys`, public halves in the log. */
export interface SigningKeys {
  /** The key that signs at `now` (ms): the newest that is active and whose private half is here. */
  current(now: number): SigningKey;
  /** A key with its private half, by its fingerprint. */
  byKid(kid: string): SigningKey | undefined;
  /** The public half of a key whose tokens may still live at `now` (ms). */
  verifier(kid: string, now: number): CryptoKey | undefined;
  /** The keys that sign at `now`, will sign, or have signed tokens that still live. */
  published(now: number): readonly SigningKeyRow[];
  /** A secret of this server that lives as long as its keys folder, for keyed hashes with this purpose. */
  secret(purpose: string): Buffer;
}

/** Makes a key and stores its private half (0600), durable when the promise resolves. */
export async function createSigningKey(
  folder: string,
): Promise<{ readonly kid: string; readonly jwk: PublicJwk }> {
  const key = makeKey();
  const kid = await calculateJwkThumbprint(key);
  await writePrivate(join(folder, `${kid}.json`), JSON.stringify(key));
  return { kid, jwk: publicHalf(key) };
}

/** Deletes private halves of keys that are revoked, or that the log never spoke of. */
export async function removeForeignKeys(query: Query, folder: string): Promise<void> {
  const known = new Set((await signingKeys(query)).map(({ kid }) => kid));
  for (const kid of await privateKids(folder))
    if (!known.has(kid)) await rm(join(folder, `${kid}.json`), { force: true });
}

/** Whether the folder holds the private half of a published key. */
export async function hasSigningKey(query: Query, folder: string): Promise<boolean> {
  const published = new Set((await signingKeys(query)).map(({ kid }) => kid));
  return (await privateKids(folder)).some((kid) => published.has(kid));
}

/** Reads the published keys and those private halves that are here. */
export async function loadSigningKeys(query: Query, folder: string): Promise<SigningKeys> {
  const rows = await signingKeys(query);
  const privates = new Map<string, { readonly signing: SigningKey; readonly raw: PrivateJwk }>();
  const verifiers = new Map<string, CryptoKey>();
  const here = new Set(await privateKids(folder));
  for (const { kid, jwk } of rows) {
    verifiers.set(kid, (await importJWK(jwk, TOKEN_ALGORITHM)) as CryptoKey);
    if (!here.has(kid)) continue;
    const raw = await readPrivateKey(join(folder, `${kid}.json`));
    const key = (await importJWK(raw, TOKEN_ALGORITHM)) as CryptoKey;
    privates.set(kid, { signing: { kid, key, jwk }, raw });
  }
  const newest = (at: number): SigningKeyRow | undefined =>
    rows.findLast(({ kid, activeFrom }) => activeFrom <= at && privates.has(kid));
  const secretOf = privates.get(rows.find(({ kid }) => privates.has(kid))?.kid ?? "");
  /** A key is needed until the last token that it signed, before one that is here took over, has ended. */
  const isLive = (place: number, now: number): boolean => {
    const next = rows.find(({ kid }, i) => i > place && privates.has(kid));
    return next === undefined || now < next.activeFrom + ACCESS_LIFETIME_MS;
  };
  return {
    current: (now) => {
      const found = privates.get(newest(now)?.kid ?? "")?.signing;
      if (found === undefined) throw noKey(folder);
      return found;
    },
    byKid: (kid) => privates.get(kid)?.signing,
    verifier: (kid, now) =>
      rows.some((row, i) => row.kid === kid && isLive(i, now)) ? verifiers.get(kid) : undefined,
    published: (now) => rows.filter((_, i) => isLive(i, now)),
    secret: (purpose) => {
      if (secretOf === undefined) throw noKey(folder);
      const derived = hkdfSync("sha256", Buffer.from(secretOf.raw.d, "base64url"), "", purpose, 32);
      return Buffer.from(derived);
    },
  };
}

/** @throws ProblemError UNAVAILABLE if the folder is there and cannot be read: a new key must not take the place of what it holds */
async function privateKids(folder: string): Promise<string[]> {
  const files = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw new ProblemError("UNAVAILABLE", `the signing keys cannot be read: ${error.message}`, {
      next: `make ${folder} a folder that the server may read`,
    });
  });
  return files.filter((file) => file.endsWith(".json")).map((file) => file.slice(0, -5));
}

async function readPrivateKey(path: string): Promise<PrivateJwk> {
  const text = await readPrivate(path);
  const parsed = PrivateKeyFile.safeParse(parseJson(text ?? "null"));
  if (parsed.success) return parsed.data;
  throw new ProblemError("UNAVAILABLE", `the signing key ${path} is damaged`, {
    next: "restore the file from a copy, or move it away: the server then makes a new key",
  });
}

const noKey = (folder: string): ProblemError =>
  new ProblemError("UNAVAILABLE", `no private signing key in ${folder}`, {
    next: "restore the folder from a copy, or restart the server to make a new key",
  });
