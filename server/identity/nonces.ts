import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { ProblemError } from "../../contract/problem.ts";
import { ASSERTION_LIFETIME_MS } from "../../contract/token.ts";
import type { LogTx } from "../../storage/log.ts";
import { forgetNonces, useNonce } from "./store.ts";

const RANDOM = 16;
const TIME = 6;
const MAC = 16;

/**
 * Nonces that anyone may fetch without making the server write: a random part and an end, under a keyed hash. A nonce
 * becomes a row when it is used, which it can be once.
 */
export interface Nonces {
  make(now: number): { readonly nonce: string; readonly expiresAt: number };
  /** @throws ProblemError UNAUTHENTICATED for one that is not ours or has ended */
  check(nonce: string, now: number): void;
  /** Spends a nonce that `check` accepted. @throws ProblemError UNAUTHENTICATED if it was spent before */
  spend(tx: LogTx, nonce: string): Promise<void>;
}

/** @param secret the key of the hash; nonces made under another one are refused */
export function createNonces(secret: Buffer): Nonces {
  const mac = (content: Buffer): Buffer =>
    createHmac("sha256", secret).update(content).digest().subarray(0, MAC);
  return {
    make: (now) => {
      const content = Buffer.alloc(RANDOM + TIME);
      randomBytes(RANDOM).copy(content);
      content.writeUIntBE(now + ASSERTION_LIFETIME_MS, RANDOM, TIME);
      const nonce = Buffer.concat([content, mac(content)]).toString("base64url");
      return { nonce, expiresAt: now + ASSERTION_LIFETIME_MS };
    },
    check: (nonce, now) => {
      const bytes = Buffer.from(nonce, "base64url");
      const content = bytes.subarray(0, RANDOM + TIME);
      const ours =
        bytes.length === RANDOM + TIME + MAC &&
        timingSafeEqual(mac(content), bytes.subarray(RANDOM + TIME));
      if (!ours) throw refused("this nonce is not from this server");
      if (content.readUIntBE(RANDOM, TIME) < now) throw refused("this nonce has ended");
    },
    spend: async (tx, nonce) => {
      await forgetNonces(tx.query, tx.now - ASSERTION_LIFETIME_MS);
      const canonical = Buffer.from(nonce, "base64url").toString("base64url");
      if (!(await useNonce(tx.query, canonical, tx.now + ASSERTION_LIFETIME_MS)))
        throw refused("this nonce was used before");
    },
  };
}

const refused = (message: string): ProblemError =>
  new ProblemError("UNAUTHENTICATED", message, { next: "POST /v1/auth/nonce for a new one" });
