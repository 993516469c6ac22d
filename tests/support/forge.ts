import { createHmac, randomUUID } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { calculateJwkThumbprint, decodeJwt, importJWK, type JWTPayload, SignJWT } from "jose";
import { makeKey, publicHalf } from "../../runtime/key-store.ts";
import type { TestServer } from "./server.ts";

const base64 = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

/** Every access token that must be refused, by what is wrong with it; most are signed with the server's own key. */
export async function forgeries(server: TestServer): Promise<Record<string, string>> {
  const keys = join(server.data, "keys");
  const [file = ""] = await readdir(keys);
  const own = JSON.parse(await readFile(join(keys, file), "utf8")) as ReturnType<typeof makeKey>;
  const kid = await calculateJwkThumbprint(own);
  const good = await server.admin.token(true);
  const claims = decodeJwt(good);
  const now = Math.floor(Date.now() / 1_000);
  const header = { alg: "EdDSA", typ: "user-at+jwt", kid };
  const sign = async (
    change: JWTPayload,
    head: Record<string, unknown> = {},
    key = own,
  ): Promise<string> =>
    new SignJWT({ ...claims, jti: randomUUID(), ...change })
      .setProtectedHeader({ ...header, ...head } as typeof header)
      .sign(await importJWK(key, "EdDSA"));
  const without = async (claim: string): Promise<string> => {
    const { [claim]: _, ...rest } = claims;
    return new SignJWT(rest).setProtectedHeader(header).sign(await importJWK(own, "EdDSA"));
  };
  const stranger = makeKey();
  const unsigned = `${base64({ ...header, alg: "none" })}.${base64(claims)}.`;
  const hmacInput = `${base64({ ...header, alg: "HS256" })}.${base64(claims)}`;
  const hmac = createHmac("sha256", Buffer.from(own.x, "base64url")).update(hmacInput);
  return {
    nonsense: "nonsense",
    "alg none": unsigned,
    "HS256 with the public key": `${hmacInput}.${hmac.digest("base64url")}`,
    "another server's audience": await sign({ aud: "gridpost:another" }),
    "another issuer": await sign({ iss: "gridpost:another" }),
    "the class of agents": await sign({}, { typ: "agent-at+jwt" }),
    "the class of assertions": await sign({}, { typ: "assertion+jwt" }),
    "no class": await sign({}, { typ: undefined }),
    expired: await sign({ iat: now - 1_200, exp: now - 600 }),
    "not yet valid": await sign({ nbf: now + 600 }),
    "made in the future": await sign({ iat: now + 600, exp: now + 1_200 }),
    "a longer life than we give": await sign({ iat: now, exp: now + 3_600 }),
    "an embedded key": await sign({}, { jwk: publicHalf(stranger) }, stranger),
    "a key to fetch": await sign({}, { jku: "http://127.0.0.1:1/keys" }),
    "a certificate to fetch": await sign({}, { x5u: "http://127.0.0.1:1/cert" }),
    "another key under the server's id": await sign({}, {}, stranger),
    "an unknown key": await sign({}, { kid: await calculateJwkThumbprint(stranger) }, stranger),
    "a changed payload": good.replace(/\.[^.]+\./, `.${base64({ ...claims, sub: "user:root" })}.`),
    "a principal that never joined": await sign({ sub: "user:nobody" }),
    "another generation": await sign({ gen: 7 }),
    "an agent that somebody else owns": await sign(
      { sub: "agent:default/nobodys", act: "user:admin", agen: 0 },
      { typ: "agent-at+jwt" },
    ),
    "12 KiB": await sign({ padding: "x".repeat(9_000) }),
    "no end": await without("exp"),
    "no audience": await without("aud"),
    "no id": await without("jti"),
  };
}
