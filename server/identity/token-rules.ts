import type { EndpointInput } from "../../contract/endpoint.ts";
import type { identity } from "../../contract/identity.ts";
import { ProblemError } from "../../contract/problem.ts";
import type { Scope } from "../../contract/scopes.ts";
import { parseNamePattern } from "./name-pattern.ts";
import { JOIN_TTL, mayGrant } from "./rules.ts";

type Body = EndpointInput<typeof identity.createToken>["body"];

export interface TokenDecision {
  readonly name: string | null;
  readonly namePattern: string | null;
  readonly project: string | null;
  readonly ttlMs: number;
  readonly role: Body["role"] | null;
}

/** What a wanted join token comes to. @throws ProblemError UNPROCESSABLE with every mistake, FORBIDDEN for too high a role */
export function decideToken(
  body: Body,
  held: ReadonlySet<Scope>,
  project: string | null,
): TokenDecision {
  const wrong = mistakes(body);
  if (wrong.length > 0) {
    throw new ProblemError("UNPROCESSABLE", `no such token: ${wrong[0]?.message ?? ""}`, {
      details: wrong,
      next: "gridpost token create --help",
    });
  }
  if (body.role !== undefined && !mayGrant(held, body.role)) {
    throw new ProblemError(
      "FORBIDDEN",
      `you cannot give the role ${body.role}: you lack its scopes`,
    );
  }
  return {
    name: body.name ?? null,
    namePattern: body.namePattern ?? null,
    project,
    ttlMs: body.ttlMs ?? JOIN_TTL[body.kind].initial,
    role: body.role ?? null,
  };
}

type Mistake = { readonly path: string; readonly message: string };

function mistakes({ kind, name, namePattern, uses, ttlMs, role }: Body): Mistake[] {
  const { max } = JOIN_TTL[kind];
  const checks: readonly (readonly [wrong: boolean, path: string, message: string])[] = [
    [uses > 1 && kind !== "node", "uses", `a token for a ${kind} is good for one use`],
    [uses > 1 && name !== undefined, "uses", "a token for one name is good for one use"],
    [
      namePattern !== undefined && name !== undefined,
      "namePattern",
      "give a name or a pattern, not both",
    ],
    [
      namePattern !== undefined && parseNamePattern(namePattern) === undefined,
      "namePattern",
      "write it as gpu-[001-512] or rack7-*",
    ],
    [namePattern !== undefined && kind !== "node", "namePattern", "patterns are for nodes"],
    [(ttlMs ?? 0) > max, "ttlMs", `a token for a ${kind} lives at most ${max / 60_000} minutes`],
    [kind === "agent" && name === undefined, "name", "a token for an agent needs its name"],
    [role !== undefined && kind !== "user", "role", "only users hold roles"],
    [role === "node", "role", "only nodes hold the role node, and they need not ask for it"],
  ];
  return checks.filter(([wrong]) => wrong).map(([, path, message]) => ({ path, message }));
}
