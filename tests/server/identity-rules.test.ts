import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  AGENT_SCOPES,
  OWN_KEY_SCOPES,
  ROLES,
  type Role,
  type Scope,
} from "../../contract/scopes.ts";
import { parseNamePattern } from "../../server/identity/name-pattern.ts";
import {
  agentScopes,
  mayGrant,
  parsePrincipal,
  principalId,
  scopesOf,
} from "../../server/identity/rules.ts";
import { decideToken } from "../../server/identity/token-rules.ts";
import { refuseWithout } from "../../server/mount.ts";
import { agent } from "../reservations/support.ts";

const role = fc.constantFrom(...(Object.keys(ROLES) as Role[]));
const project = fc.constantFrom("a", "b", null);
const grants = fc.array(fc.record({ role, project }), { maxLength: 5 });
const word = fc.stringMatching(/^[a-z][a-z0-9-]{0,6}$/);

describe("scopes", () => {
  it("never reach another project", () => {
    fc.assert(
      fc.property(grants, (all) => {
        const elsewhere = all.map((grant) => ({ ...grant, project: "a" }));
        expect(scopesOf(elsewhere, "b").size).toBe(0);
      }),
    );
  });

  it("that an agent lacks elsewhere are those of its own project, which it is told", () => {
    const blue = {
      ...agent("blue"),
      project: "llm",
      id: "agent:llm/blue",
      scopes: new Set<Scope>(),
    };
    const refused = (where: string | null) => (): void => refuseWithout("mail:read", blue, where);
    expect(refused("default")).toThrow(
      expect.objectContaining({ next: expect.stringContaining("--project llm") }),
    );
    for (const where of ["llm", null])
      expect(refused(where)).toThrow(
        expect.objectContaining({ next: "call it as a user that may" }),
      );
  });

  it("of a role on the server hold in every project", () => {
    fc.assert(
      fc.property(role, (one) => {
        const grant = [{ role: one, project: null }];
        expect(scopesOf(grant, "anything")).toEqual(new Set(ROLES[one]));
      }),
    );
  });

  it("of an agent are an agent's, and never more than its owner's", () => {
    fc.assert(
      fc.property(grants, (all) => {
        const owner = scopesOf(all, "a");
        for (const ownKey of [true, false]) {
          for (const scope of agentScopes("a", "a", { owner: all, ownKey })) {
            expect([...AGENT_SCOPES, ...(ownKey ? OWN_KEY_SCOPES : [])]).toContain(scope);
            expect(owner).toContain(scope);
          }
          expect(agentScopes("a", "b", { owner: all, ownKey }).size).toBe(0);
        }
      }),
    );
  });

  it("of an agent by its own key include answering for itself, which nobody may who acts as it", () => {
    const itself = { owner: null, ownKey: true };
    expect(agentScopes("a", "a", itself)).toContain("contact:approve");
    const owner = [{ role: "admin" as const, project: null }];
    expect(agentScopes("a", "a", { owner, ownKey: true })).toContain("contact:approve");
    expect(agentScopes("a", "a", { owner, ownKey: false })).not.toContain("contact:approve");
    expect(agentScopes("a", "b", itself).size).toBe(0);
    expect(agentScopes("a", null, itself)).toEqual(new Set(["node:read"]));
  });

  it("can be given on by those who have them all", () => {
    expect(mayGrant(new Set(ROLES.operator), "member")).toBe(true);
    expect(mayGrant(new Set(ROLES.operator), "admin")).toBe(false);
    expect(mayGrant(new Set(ROLES.member), "operator")).toBe(false);
  });
});

describe("principal ids", () => {
  it("are read as they are written", () => {
    fc.assert(
      fc.property(fc.constantFrom("user", "node", "agent"), word, word, (kind, name, home) => {
        const where = kind === "agent" ? home : null;
        const one = { kind, name, project: where } as const;
        expect(parsePrincipal(principalId(kind, name, where))).toEqual(one);
      }),
    );
    for (const id of ["", "user:", "anna", "agent:blue", "user:a/b", "root:x", "agent:a/b/c"])
      expect(parsePrincipal(id)).toBeUndefined();
  });
});

describe("name patterns", () => {
  it("match the numbers of their range, written as wide as the range", () => {
    fc.assert(
      fc.property(word, fc.nat(999), fc.nat(999), (prefix, one, other) => {
        const [from, to] = [Math.min(one, other), Math.max(one, other)];
        const wide = (n: number): string => String(n).padStart(3, "0");
        const pattern = parseNamePattern(`${prefix}.[${wide(from)}-${wide(to)}]`);
        for (const n of [from, to, from - 1, to + 1].filter((value) => value >= 0 && value < 1000))
          expect(pattern?.matches(`${prefix}.${wide(n)}`)).toBe(from <= n && n <= to);
        expect(pattern?.matches(`${prefix}x${wide(from)}`)).toBe(false);
      }),
    );
  });

  it("take one star", () => {
    expect(parseNamePattern("rack7-*")?.matches("rack7-n1")).toBe(true);
    expect(parseNamePattern("rack7-*")?.matches("rack8-n1")).toBe(false);
    for (const wrong of ["", "*-*", "a[1-", "a[01-2]", "a[5-1]", "a b", "(a+)+"])
      expect(parseNamePattern(wrong)).toBeUndefined();
  });
});

describe("a join token", () => {
  it("is refused with every mistake at once", () => {
    const wrong = {
      kind: "user" as const,
      name: "anna",
      namePattern: "x-*",
      uses: 3,
      ttlMs: 86_400_000,
    };
    try {
      decideToken(wrong, new Set(ROLES.admin), null);
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ code: "UNPROCESSABLE" });
      const { details } = error as { details: { path: string }[] };
      expect(new Set(details.map(({ path }) => path))).toEqual(
        new Set(["uses", "namePattern", "ttlMs"]),
      );
    }
  });

  it("lives five minutes for people, and gives no role that its maker lacks", () => {
    const body = { kind: "user" as const, uses: 1, role: "admin" as const };
    expect(decideToken(body, new Set(ROLES.admin), null)).toMatchObject({ ttlMs: 300_000 });
    expect(() => decideToken(body, new Set(ROLES.operator), null)).toThrow(/cannot give the role/);
  });
});
