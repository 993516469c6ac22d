// An OpenID Connect issuer in a process of its own. Sends `{issuer}` to its parent when it answers; takes the orders
// `rotate` and `asked`, and answers each with how often its keys were asked for.
import { createServer } from "node:http";
import { exportJWK, generateKeyPair } from "jose";
import { Provider } from "oidc-provider";

/** What a real issuer would know of who asks. */
const GROUPS = { ci: ["gpu-team"], boss: ["gpu-team", "gpu-admins"], guest: [] };

const client = (name) => ({
  client_id: name,
  client_secret: `secret-of-${name}`,
  grant_types: ["client_credentials"],
  redirect_uris: [],
  response_types: [],
});

async function newKey() {
  const { privateKey } = await generateKeyPair("RS256", { extractable: true });
  return { ...(await exportJWK(privateKey)), alg: "RS256", use: "sig" };
}

/** Access tokens are JWTs (RFC 9068) for whatever resource the client names. */
const configuration = (keys) => ({
  clients: Object.keys(GROUPS).map(client),
  jwks: { keys },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_context, resource) => ({
        scope: "fleet",
        audience: resource,
        accessTokenFormat: "jwt",
        accessTokenTTL: 300,
        jwt: { sign: { alg: "RS256" } },
      }),
    },
  },
  extraTokenClaims: (_context, token) => ({ groups: GROUPS[token.clientId] }),
});

let asked = 0;
let answer = (_request, response) => response.writeHead(503).end();
const server = createServer((request, response) => {
  if (request.url === "/jwks") asked += 1;
  answer(request, response);
});
const issuer = await new Promise((resolve) => {
  server.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${server.address().port}`));
});
let keys = [await newKey()];
const open = () => {
  answer = new Provider(issuer, configuration(keys)).callback();
};
open();

async function obey(order) {
  if (order === "rotate") {
    // The old one is still published: tokens that it has signed live on.
    keys = [await newKey(), ...keys];
    open();
  }
  process.send({ asked });
}
process.on("message", (order) => void obey(order));
process.on("disconnect", () => process.exit());
process.send({ issuer });
