import { createHash, randomUUID } from "node:crypto";
import { calculateJwkThumbprint, SignJWT } from "jose";
import type { EndpointInput } from "../../contract/endpoint.ts";
import type { identity } from "../../contract/identity.ts";
import { ProblemError } from "../../contract/problem.ts";
import { fingerprintOf, TOKEN_ALGORITHM, TOKEN_TYPES } from "../../contract/token.ts";
import type { LogTx } from "../../storage/log.ts";
import type { IdentityDeps } from "./deps.ts";
import { grantsOf } from "./join-grants.ts";
import { parseNamePattern } from "./name-pattern.ts";
import { isReserved } from "./outside-rules.ts";
import { verifyJoinProof } from "./proofs.ts";
import { principalId } from "./rules.ts";
import type { SigningKey } from "./signing-keys.ts";
import {
  endOf,
  hasJoined,
  isRevokedKey,
  type JoinTokenRow,
  keyByThumbprint,
  rolesOf,
  tokenByHash,
} from "./store.ts";
import { makerOf } from "./token-makers.ts";

type Body = EndpointInput<typeof identity.join>["body"];
type Reply = { principal: string; receipt: string; serverJwk: SigningKey["jwk"] };

/** Registers a key: proof first, then everything that depends on the token in one transaction. */
export async function join(deps: IdentityDeps, body: Body): Promise<Reply> {
  const signer = signerOf(deps, body.token);
  const tokenHash = createHash("sha256").update(body.token).digest("hex");
  const thumbprint = await calculateJwkThumbprint(body.jwk);
  const now = deps.log.now();
  const nonce = await verifyJoinProof(deps, { ...body, thumbprint, tokenHash, now });
  const principal = await deps.log.tx([`join:${tokenHash}`, `key:${thumbprint}`], async (tx) => {
    await deps.nonces.spend(tx, nonce);
    return register(deps, tx, { body, tokenHash, thumbprint });
  });
  deps.standings.clear();
  const receipt = await sign(signer, { principal, nonce, thumbprint }, deps.audience);
  return { principal, receipt, serverJwk: signer.jwk };
}

/** The key whose fingerprint the token carries, so that the joiner can check the receipt. */
function signerOf({ keys }: IdentityDeps, token: string): SigningKey {
  const fingerprint = fingerprintOf(token);
  const signer = fingerprint === undefined ? undefined : keys().byKid(fingerprint);
  if (signer !== undefined) return signer;
  throw refused("this join token is not from this server");
}

interface Registration {
  readonly body: Body;
  readonly tokenHash: string;
  readonly thumbprint: string;
}

async function register(
  deps: IdentityDeps,
  tx: LogTx,
  { body, tokenHash, thumbprint }: Registration,
): Promise<string> {
  const token = await tokenByHash(tx.query, tokenHash);
  refuseDead(token, tx.now);
  const maker = await makerOf(deps, token);
  const name = nameFor(token, body.name);
  const principal = principalId(token.kind, name, token.project);
  if (token.kind === "user" && isReserved(deps.issuers, name)) {
    throw new ProblemError(
      "NAME_TAKEN",
      `names like ${name} belong to users of an outside issuer`,
      {
        next: "take another name",
      },
    );
  }
  const known = await keyByThumbprint(tx.query, thumbprint);
  if (known !== undefined && known.principal !== principal) {
    throw new ProblemError("CONFLICT", `this key already belongs to ${known.principal}`, {
      next: "set GRIDPOST_HOME to another folder and join again: one home is one principal",
    });
  }
  if (await isRevokedKey(tx.query, thumbprint)) {
    throw new ProblemError("CONFLICT", "this key was revoked, and others may have a copy of it", {
      next: "join with a new one: move key.json of GRIDPOST_HOME away, or set GRIDPOST_HOME to another folder",
    });
  }
  if (token.adds_key === 0 && (await isTaken(deps, tx, { principal, token, name }))) {
    throw new ProblemError("NAME_TAKEN", `${principal} exists; this token makes new ones only`, {
      next: `take another name, or ask ${principal} or an admin for a token made for it`,
    });
  }
  await tx.append({
    type: "principal.joined",
    project: null,
    actor: principal,
    body: { principal, token: token.id, thumbprint, jwk: body.jwk },
  });
  for (const grant of grantsOf(token))
    await tx.append({
      type: "role.granted",
      project: grant.project,
      actor: "server",
      body: { principal, ...grant },
    });
  if (token.kind === "agent")
    await deps.agents.register(tx, { project: token.project ?? "", name, owner: maker });
  return principal;
}

/** Whether somebody has the name, be it an agent without a key of its own, or roles wait for whom a token names. */
async function isTaken(
  { agents }: IdentityDeps,
  { query }: LogTx,
  { principal, token, name }: { principal: string; token: JoinTokenRow; name: string },
): Promise<boolean> {
  if (await hasJoined(query, principal)) return true;
  if (token.name === null && (await rolesOf(query, principal)).length > 0) return true;
  return token.kind === "agent" && (await agents.find(query, token.project ?? "", name)) !== null;
}

function refuseDead(token: JoinTokenRow | undefined, now: number): asserts token is JoinTokenRow {
  if (token === undefined || token.revoked === 1)
    throw refused("this join token is unknown or was revoked");
  if (token.uses_left < 1) throw refused("this join token was used up");
  if ((endOf(token) ?? Infinity) <= now) throw refused("this join token has expired");
}

function nameFor(token: JoinTokenRow, asked: string | undefined): string {
  const name = token.name ?? asked;
  if (name === undefined) {
    throw new ProblemError("BAD_REQUEST", `this token needs a name for the new ${token.kind}`, {
      next: token.kind === "node" ? "give --name" : "give --as-user NAME",
    });
  }
  if (asked !== undefined && asked !== name) {
    throw new ProblemError("FORBIDDEN", `this token is for ${token.kind} ${name}, not ${asked}`, {
      next: `join without a name, or as ${name}`,
    });
  }
  const pattern = token.name_pattern === null ? undefined : parseNamePattern(token.name_pattern);
  if (pattern !== undefined && !pattern.matches(name)) {
    throw new ProblemError("FORBIDDEN", `this token is for names like ${token.name_pattern}`, {
      next: "take a name that fits",
    });
  }
  return name;
}

const sign = (
  { key, kid }: SigningKey,
  { principal, nonce, thumbprint }: { principal: string; nonce: string; thumbprint: string },
  audience: string,
): Promise<string> =>
  new SignJWT({ nonce, thumbprint })
    .setProtectedHeader({ alg: TOKEN_ALGORITHM, typ: TOKEN_TYPES.joinReceipt, kid })
    .setIssuer(audience)
    .setSubject(principal)
    .setIssuedAt()
    .setJti(randomUUID())
    .sign(key);

const refused = (message: string): ProblemError =>
  new ProblemError("UNAUTHENTICATED", message, { next: "ask for a new join token" });
