import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { z } from "zod";
import { PublicJwk } from "../contract/events/identity.ts";
import { type Seal, signedBytes } from "./commit.ts";
import { FaultFound } from "./fault.ts";

const Published = z.object({ kid: z.string(), jwk: PublicJwk });

/** The public keys that a repository itself names, as they come up in its history. */
export class KnownKeys {
  private readonly keys = new Map<string, KeyObject>();

  /** From the body of `signing_key.published`. */
  addEvent(body: unknown): void {
    const { kid, jwk } = Published.parse(body);
    this.add(kid, jwk);
  }

  /** From `keys/<kid>.json` of a readable repository. */
  addFile(path: string, text: string): void {
    const kid = /^keys\/(.+)\.json$/.exec(path)?.[1];
    if (kid !== undefined) this.add(kid, PublicJwk.parse(JSON.parse(text)));
  }

  /** @throws FaultFound unless the seal was signed by a known key for this place of this history */
  check(seal: Seal, parent: string | null): void {
    const key = this.keys.get(seal.kid);
    if (key === undefined) throw new FaultFound(`it is signed by the unknown key ${seal.kid}`);
    const { repository, to, chain, signature } = seal;
    const bytes = signedBytes({ repository, to, chain, parent });
    if (!verify(null, bytes, key, Buffer.from(signature, "base64url")))
      throw new FaultFound("the server's signature does not fit");
  }

  private add(kid: string, jwk: PublicJwk): void {
    this.keys.set(kid, createPublicKey({ key: { ...jwk }, format: "jwk" }));
  }
}
