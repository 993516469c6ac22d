import { z } from "zod";
import { UserRole } from "../../contract/access.ts";
import { Name } from "../../contract/ids.ts";
import type { Role } from "../../contract/scopes.ts";
import type { RoleGrant } from "./rules.ts";

const LOOPBACK = /^http:\/\/(127\.0\.0\.1|localhost|\[::1\])(:\d+)?(\/|$)/;

/** An issuer of OpenID Connect whose tokens are accepted, as the settings describe it. */
export const OutsideIssuer = z.strictObject({
  /** `iss` of its tokens. */
  issuer: z.url({ protocol: /^https?$/ }),
  /** Where its keys are; https, or loopback for trials. */
  jwksUri: z
    .url()
    .refine((url) => url.startsWith("https://") || LOOPBACK.test(url), "must be an https URL"),
  /** `aud` of the tokens that are meant for this server. */
  audience: z.string().min(1),
  algorithms: z
    .array(
      z.enum(["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]),
    )
    .min(1)
    .default(["RS256", "ES256", "EdDSA"]),
  /** The claim that names the user. */
  userClaim: z.string().min(1).default("sub"),
  /** Stands before each user's name, so that no issuer can speak for a user who joined here or came from another. */
  userPrefix: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/, "must be 1 to 32 letters, digits, '.', '_' or '-'"),
  /** Roles by claims: who has `value` in `claim` has the role; who loses it loses the role. */
  roles: z
    .array(
      z.strictObject({
        claim: z.string().min(1),
        value: z.string().min(1),
        role: UserRole,
        /** Left out: on the server, for every project. */
        project: Name.optional(),
      }),
    )
    .default([]),
});
export type OutsideIssuer = z.output<typeof OutsideIssuer>;

/** Whether `iss` names an issuer outside: issuers have addresses, whoever joined here signs by its own name. */
export const isFromOutside = (iss: unknown): boolean =>
  typeof iss === "string" && /^https?:\/\//.test(iss);

/** Whether no issuer is described twice: only one of the two would be gone by. */
export const isEachOnce = (issuers: readonly OutsideIssuer[]): boolean =>
  new Set(issuers.map(({ issuer }) => issuer)).size === issuers.length;

/** Whether no issuer's users can have names that begin as those of another. */
export const areApart = (issuers: readonly OutsideIssuer[]): boolean =>
  issuers.every(({ userPrefix }, i) => !isReserved(issuers.toSpliced(i, 1), userPrefix));

/** The user that claims name; undefined when they name none that this server can have. */
export function outsideUser(
  { userClaim, userPrefix }: OutsideIssuer,
  claims: Readonly<Record<string, unknown>>,
): string | undefined {
  const value = claims[userClaim];
  const name = Name.safeParse(`${userPrefix}${typeof value === "string" ? value : " "}`);
  return name.success ? `user:${name.data}` : undefined;
}

/** Whether a name belongs to the users of an issuer, so that nobody may join under it. */
export const isReserved = (issuers: readonly OutsideIssuer[], name: string): boolean =>
  issuers.some(({ userPrefix }) => name.startsWith(userPrefix));

interface RoleChange {
  readonly type: "role.granted" | "role.revoked";
  readonly role: Role;
  readonly project: string | null;
}

/** What has to change so that a user has those mapped roles that the claims give, and no other mapped one. */
export function roleChanges(
  { roles }: OutsideIssuer,
  claims: Readonly<Record<string, unknown>>,
  held: readonly RoleGrant[],
): RoleChange[] {
  const place = (role: Role, project: string | null): string => `${project ?? ""}/${role}`;
  const mapped = new Map<string, { wanted: boolean; role: Role; project: string | null }>();
  for (const { claim, value, role, project = null } of roles) {
    const key = place(role, project);
    const wanted = mapped.get(key)?.wanted === true || valuesOf(claims[claim]).includes(value);
    mapped.set(key, { wanted, role, project });
  }
  const has = new Set(held.map(({ role, project }) => place(role, project)));
  return [...mapped].flatMap(([key, { wanted, role, project }]): RoleChange[] =>
    wanted === has.has(key)
      ? []
      : [{ type: wanted ? "role.granted" : "role.revoked", role, project }],
  );
}

/** A claim's values: a list, or words as in `scope`. */
function valuesOf(claim: unknown): string[] {
  if (typeof claim === "string") return [claim, ...claim.split(" ")];
  return Array.isArray(claim) ? claim.filter((value) => typeof value === "string") : [];
}
