import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { z } from "zod";
import { PublicJwk } from "../contract/events/identity.ts";
import { type Seal, signedBytes } from "./commit.ts";
import { FaultFound } from "./fault.ts";

const Published = z.object({ kid: z.string(), jwk: PublicJwk });

/** The public keys that a repository itself names, as they come up in its history. */
export class KnownKeys {
  private readonly keys = new Map<string, KeyObject>();
  /** Those that came since the last seal. */
  private fresh = new Set<string>();

  /** From the body of `signing_key.published`. @throws FaultFound if another key had the name before */
  addEvent(body: unknown): void {
    const { kid, jwk } = Published.parse(body);
    this.add(kid, jwk);
  }

  /** From the same of the server's log, where the journal does not reach to; what the journal says of a key stands. */
  addLogged(body: unknown): void {
    const { kid, jwk } = Published.parse(body);
    if (!this.keys.has(kid)) this.keys.set(kid, keyOf(jwk));
  }

  /** From `keys/<kid>.json` of a readable repository. @throws FaultFound as `addEvent` */
  addFile(path: string, text: string): void {
    const kid = kidOf(path);
    if (kid !== undefined) this.add(kid, PublicJwk.parse(JSON.parse(text)));
  }

  /** Whether `keys/<kid>.json` is a key that was added before; true for any other file. */
  hasFile(path: string, text: string): boolean {
    const kid = kidOf(path);
    if (kid === undefined) return true;
    const known = this.keys.get(kid);
    return known !== undefined && known.equals(keyOf(PublicJwk.parse(JSON.parse(text))));
  }

  /**
   * Whether the signer comes with its own seal, while other keys were known before: nobody but itself says that it is the
   * server's.
   * @throws FaultFound unless the seal was signed by a known key for this place of this history
   */
  check(seal: Seal, parent: string | null): boolean {
    const key = this.keys.get(seal.kid);
    if (key === undefined) throw new FaultFound(`it is signed by the unknown key ${seal.kid}`);
    const { repository, to, chain, signature } = seal;
    const bytes = signedBytes({ repository, to, chain, parent });
    if (!verify(null, bytes, key, Buffer.from(signature, "base64url")))
      throw new FaultFound("the server's signature does not fit");
    const alone = this.fresh.has(seal.kid) && this.fresh.size < this.keys.size;
    this.fresh = new Set();
    return alone;
  }

  private add(kid: string, jwk: PublicJwk): void {
    const key = keyOf(jwk);
    const known = this.keys.get(kid);
    if (known !== undefined && !known.equals(key))
      throw new FaultFound(`it gives the name ${kid} to another key`);
    if (known === undefined) this.fresh.add(kid);
    this.keys.set(kid, key);
  }
}

const kidOf = (path: string): string | undefined => /^keys\/(.+)\.json$/.exec(path)?.[1];

const keyOf = (jwk: PublicJwk): KeyObject => createPublicKey({ key: { ...jwk }, format: "jwk" });
