import { calculateJwkThumbprint, type CryptoKey, importJWK } from "jose";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ACCESS_LIFETIME_MS } from "../../contract/token.ts";
import { makeKey, publicHalf } from "../../runtime/key-store.ts";
import { type AccessTokens, createAccessTokens } from "../../server/identity/access-tokens.ts";
import type { SigningKeys } from "../../server/identity/signing-keys.ts";

const now = 1_800_000_000_000;
const anna = { sub: "user:anna", act: null, gen: 1, agen: 0 };

describe("an access token", () => {
  let all: SigningKeys;
  let none: SigningKeys;
  let keys: SigningKeys;
  let tokens: AccessTokens;
  beforeAll(async () => {
    const raw = makeKey();
    const jwk = publicHalf(raw);
    const [kid, key, verifier] = await Promise.all([
      calculateJwkThumbprint(raw),
      importJWK(raw, "EdDSA") as Promise<CryptoKey>,
      importJWK(jwk, "EdDSA") as Promise<CryptoKey>,
    ]);
    const signing = { kid, key, jwk };
    all = {
      current: () => signing,
      byKid: () => signing,
      verifier: () => verifier,
      published: () => [],
      secret: () => Buffer.alloc(32),
    };
    none = { ...all, verifier: () => undefined };
    keys = all;
    const outside = { claims: () => false, verify: () => Promise.reject(new Error("no issuer")) };
    tokens = createAccessTokens({ keys: () => keys, audience: "gridpost:test", outside });
  });

  beforeEach(() => {
    keys = all;
  });

  it("is not remembered when its check began before the keys changed", async () => {
    const { token } = await tokens.sign(anna, now);
    const checking = tokens.verify(token, now);
    keys = none;
    tokens.forget();
    await checking;
    await expect(async () => tokens.verify(token, now)).rejects.toMatchObject({
      code: "UNAUTHENTICATED",
      message: "the token is signed by an unknown key",
    });
  });

  it("is remembered otherwise, for as long as it lives", async () => {
    const { token, exp } = await tokens.sign(anna, now);
    expect(exp).toBe(now + ACCESS_LIFETIME_MS);
    const claims = await tokens.verify(token, now);
    expect(tokens.verify(token, now + 1_000)).toBe(claims);
    expect(() => tokens.verify(token, exp)).toThrow("the token has expired");
  });
});
