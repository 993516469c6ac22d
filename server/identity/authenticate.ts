import type { Principal } from "../../contract/handlers.ts";
import { ProblemError } from "../../contract/problem.ts";
import type { AccessClaims, AccessTokens } from "./access-tokens.ts";
import { actorOf, parsePrincipal } from "./rules.ts";
import type { Standings } from "./standings.ts";

export interface Authenticator {
  /**
   * The caller of a request, proved by its `Authorization` header, with the scopes it holds for a project.
   * Answers at once what it knows already, as for every call but the first with a token.
   * @throws ProblemError UNAUTHENTICATED
   */
  authenticate(
    authorization: string | undefined,
    project: string | null,
  ): Authenticated | Promise<Authenticated>;
  /** Whether nobody's standing can have changed since a caller was accepted; costs a look into memory. */
  isFresh(accepted: Authenticated, project: string | null): boolean;
  projectExists(this: void, name: string): boolean | Promise<boolean>;
  /**
   * Whether a token that was accepted earlier would still be, with all the scopes that it had: for sockets that outlive
   * their first check.
   */
  stillValid(accepted: Authenticated): Promise<boolean>;
}

export interface Authenticated {
  readonly principal: Principal;
  readonly claims: AccessClaims;
}

export interface AuthenticatorOptions {
  readonly tokens: AccessTokens;
  readonly standings: Standings;
  readonly now: () => number;
}

export function createAuthenticator({
  tokens,
  standings,
  now,
}: AuthenticatorOptions): Authenticator {
  const refuseRevoked = async ({ sub, act, gen, agen }: AccessClaims): Promise<void> => {
    const self = await standings.of(sub);
    if (act === null) {
      if (self.generation !== gen) throw revoked(sub);
      return;
    }
    const user = await standings.of(act);
    if (user.generation !== gen || self.generation !== agen) throw revoked(act);
    if (self.owner !== act) throw unauthenticated(`${act} no longer owns ${sub}`);
  };
  const accepted = rememberAccepted(standings);
  const accept = async (claims: AccessClaims, project: string | null): Promise<Authenticated> => {
    const epoch = standings.epoch();
    await refuseRevoked(claims);
    const { sub: id, act, kind } = claims;
    const scopes = await standings.scopes({ id, act }, project);
    const parts = parsePrincipal(id);
    const principal: Principal = {
      id,
      kind,
      name: parts?.name ?? "",
      project: parts?.project ?? null,
      act,
      actor: actorOf({ id, act }),
      scopes,
    };
    return accepted.add({ principal, claims }, project, epoch);
  };
  return {
    authenticate: (authorization, project) => {
      const claims = tokens.verify(bearer(authorization), now());
      if (claims instanceof Promise) return claims.then((one) => accept(one, project));
      return accepted.find(claims, project) ?? accept(claims, project);
    },
    isFresh: (caller, project) => accepted.find(caller.claims, project) === caller,
    projectExists: (name) => standings.projectExists(name),
    stillValid: async ({ claims, principal: { id, act, project, scopes } }) => {
      if (claims.exp <= now() || !tokens.isSigned(claims, now())) return false;
      try {
        await refuseRevoked(claims);
      } catch {
        return false;
      }
      const held = await standings.scopes({ id, act }, project);
      return [...scopes].every((scope) => held.has(scope));
    },
  };
}

interface Accepted {
  find(claims: AccessClaims, project: string | null): Authenticated | undefined;
  /** @param epoch of the standings before they were asked */
  add(caller: Authenticated, project: string | null, epoch: number): Authenticated;
}

/** Who was accepted last with which claims, for as long as no standing may have changed. */
function rememberAccepted(standings: Standings): Accepted {
  type Entry = readonly [project: string | null, caller: Authenticated];
  let entries = new WeakMap<AccessClaims, Entry>();
  let of = standings.epoch();
  const refresh = (): void => {
    if (of === standings.epoch()) return;
    of = standings.epoch();
    entries = new WeakMap();
  };
  return {
    find: (claims, project) => {
      refresh();
      const [known, caller] = entries.get(claims) ?? [];
      return known === project ? caller : undefined;
    },
    add: (caller, project, epoch) => {
      refresh();
      if (epoch === of) entries.set(caller.claims, [project, caller]);
      return caller;
    },
  };
}

/**
 * The token of `Bearer TOKEN`, or the password of Basic, which is how Git sends it.
 * @throws ProblemError UNAUTHENTICATED
 */
export function bearer(authorization: string | undefined): string {
  if (authorization === undefined) throw unauthenticated("this call needs an access token");
  const [, scheme = "", value = ""] = /^(\S+) +(\S+) *$/.exec(authorization) ?? [];
  if (/^bearer$/i.test(scheme)) return value;
  if (/^basic$/i.test(scheme)) {
    const pair = Buffer.from(value, "base64").toString();
    return pair.slice(pair.indexOf(":") + 1);
  }
  throw unauthenticated("the Authorization header must be: Bearer TOKEN");
}

const revoked = (id: string): ProblemError => unauthenticated(`${id} was revoked`);

const unauthenticated = (message: string): ProblemError =>
  new ProblemError("UNAUTHENTICATED", message, {
    next: "get an access token: gridpost join, then POST /v1/auth/token",
  });
