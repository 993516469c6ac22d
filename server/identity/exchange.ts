import type { EndpointInput } from "../../contract/endpoint.ts";
import type { identity } from "../../contract/identity.ts";
import { toTime } from "../../contract/ids.ts";
import { ProblemError } from "../../contract/problem.ts";
import { closest } from "../../contract/suggest.ts";
import type { IdentityDeps } from "./deps.ts";
import { type Proved, verifyAssertion } from "./proofs.ts";
import { principalId } from "./rules.ts";
import { hasKey } from "./store.ts";

type Body = EndpointInput<typeof identity.token>["body"];

/** An access token for a signed assertion, as its signer or as an agent that the signer owns. */
export async function exchange(
  deps: IdentityDeps,
  { assertion, agent }: Body,
): Promise<{ token: string; expiresAt: string; principal: string }> {
  const { log, outside } = deps;
  if (outside.claims(assertion)) {
    const { principal } = await outside.verify(assertion, log.now());
    // Who comes from outside has no generation before a revocation.
    return grant(deps, { principal, generation: 0 }, agent);
  }
  const { nonce, ...proved } = await verifyAssertion(deps, assertion, {
    query: log.query,
    now: log.now(),
  });
  await log.tx([`nonce:${nonce}`], (tx) => deps.nonces.spend(tx, nonce));
  return grant(deps, proved, agent);
}

/**
 * An access token for a principal that has proved itself, or for an agent that it owns. It is dead if the principal was
 * revoked since.
 * @throws ProblemError AGENT_NOT_FOUND, FORBIDDEN
 */
export async function grant(
  deps: IdentityDeps,
  { principal, generation: gen }: Proved,
  agent?: Body["agent"],
): Promise<{ token: string; expiresAt: string; principal: string }> {
  const { log, tokens } = deps;
  const { sub, agen } =
    agent === undefined ? { sub: principal, agen: 0 } : await agentOf(deps, principal, agent);
  const act = sub === principal ? null : principal;
  const { token, exp } = await tokens.sign({ sub, act, gen, agen }, log.now());
  return { token, expiresAt: toTime(exp), principal: sub };
}

interface Asked {
  readonly project: string;
  readonly name: string;
}

/** The agent that a principal acts as, and its generation. */
async function agentOf(
  deps: IdentityDeps,
  principal: string,
  { project, name }: Asked,
): Promise<{ readonly sub: string; readonly agen: number }> {
  const id = principalId("agent", name, project);
  if (id === principal) return { sub: id, agen: 0 };
  const { agents, log, standings } = deps;
  const found = await agents.find(log.query, project, name);
  if (found?.name !== name || found.owner !== principal)
    throw await notOwned(deps, principal, { project, name, found });
  // Read before the keys: a revocation in between makes the token dead.
  const { generation: agen } = await standings.of(id);
  // Who joined or was revoked has a generation; a revocation takes the keys.
  if (agen > 0 && !(await hasKey(log.query, id))) throw revokedAgent(id, name, project);
  return { sub: id, agen };
}

interface Foreign extends Asked {
  readonly found: Awaited<ReturnType<IdentityDeps["agents"]["find"]>>;
}

/** Whoever may not read the project learns nothing of its agents. */
async function notOwned(
  { agents, log, standings }: IdentityDeps,
  principal: string,
  { project, name, found }: Foreign,
): Promise<ProblemError> {
  const mayRead = (await standings.scopes({ id: principal, act: null }, project)).has(
    "project:read",
  );
  if (mayRead && found?.name === name)
    return new ProblemError(
      "FORBIDDEN",
      `agent ${name} belongs to ${found.owner}, not to ${principal}`,
      { next: "act as an agent of yours: gridpost agent ls --mine" },
    );
  const own = (await agents.ownedBy(log.query, principal, project)).map((agent) => agent.name);
  const similar = closest(name, own) ?? (mayRead ? found?.name : undefined);
  return unknownAgent(`${name} in project ${project}`, name, similar);
}

const revokedAgent = (id: string, name: string, project: string): ProblemError =>
  new ProblemError("FORBIDDEN", `${id} was revoked: nobody acts as it before it joins anew`, {
    next: `give it a key: gridpost token create --kind agent --name ${name} --project ${project}`,
  });

function unknownAgent(where: string, name: string, similar: string | undefined): ProblemError {
  const meant = similar === undefined ? "" : `; did you mean ${similar}?`;
  return new ProblemError("AGENT_NOT_FOUND", `there is no agent ${where}${meant}`, {
    next:
      similar === undefined
        ? `gridpost agent register ${name}`
        : `act as ${similar}, or register another: gridpost agent register NAME`,
  });
}
