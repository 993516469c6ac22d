import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from "jose";

/** An OpenID Connect issuer, as far as a resource server sees one: keys behind a URL, and tokens. */
export interface TestIssuer {
  readonly issuer: string;
  readonly jwksUri: string;
  /** How often its keys were asked for. */
  asked(): number;
  sign(claims: JWTPayload, header?: Record<string, unknown>): Promise<string>;
  /** Signs with another key from now on; the old one is no longer published. */
  rotate(): Promise<void>;
  close(): Promise<void>;
}

/** Starts an issuer on a free port of this machine. */
export async function startIssuer(audience: string): Promise<TestIssuer> {
  let key = await newKey();
  let asked = 0;
  const server = createServer((_request, response) => {
    asked += 1;
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ keys: [key.jwk] }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    issuer,
    jwksUri: `${issuer}/jwks`,
    asked: () => asked,
    sign: (claims, header = {}) =>
      new SignJWT({ iss: issuer, aud: audience, jti: randomUUID(), ...claims })
        .setProtectedHeader({ alg: "RS256", kid: key.jwk.kid, ...header })
        .setIssuedAt()
        .setExpirationTime("5 minutes")
        .sign(key.privateKey),
    rotate: async () => {
      key = await newKey();
    },
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function newKey() {
  const { privateKey, publicKey } = await generateKeyPair("RS256");
  const jwk = { ...(await exportJWK(publicKey)), kid: randomUUID(), alg: "RS256", use: "sig" };
  return { privateKey, jwk };
}
