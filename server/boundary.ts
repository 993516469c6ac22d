import type { RunningArchive } from "../archive/start.ts";
import { ProblemError } from "../contract/problem.ts";
import { findSecret, findSecretIn } from "../contract/secrets.ts";
import type { Domain } from "./mount.ts";

/** Beyond it new mail would only lengthen the way to the archive. */
const MAX_LAG_S = 60;

interface Said {
  readonly params?: unknown;
  readonly body?: unknown;
  readonly idempotency?: { readonly key: string } | null;
}
type Check = (call: Said) => void;

/** Runs a check before those calls of a domain that may change something and that `concerns` names. */
export function guarded(domain: Domain, concerns: (name: string) => boolean, check: Check): Domain {
  const entries = Object.entries(domain.handlers).map(([name, handle]) => {
    if (domain.endpoints[name]?.method === "GET" || !concerns(name)) return [name, handle] as const;
    const checked = async (call: never): Promise<unknown> => {
      check(call);
      return handle(call);
    };
    return [name, checked] as const;
  });
  return { ...domain, handlers: Object.fromEntries(entries) };
}

/** @throws ProblemError SECRET_REFUSED: what is said here becomes part of Git, which cannot forget */
export const refuseSecrets: Check = ({ params, body }) => {
  const found = findSecretIn(body) ?? findSecretIn(params);
  if (found === undefined) return;
  const { path, kind, at } = found;
  throw new ProblemError("SECRET_REFUSED", `${path} holds what looks like a secret (${kind})`, {
    details: [{ path, kind, at }],
    next: "leave it out, and change the secret if it was real: what is sent here is archived for ever",
  });
};

/** @throws ProblemError SECRET_REFUSED: the key of a call is archived with what it does */
export const refuseSecretKeys: Check = ({ idempotency }) => {
  const found = findSecret(idempotency?.key ?? "");
  if (found === undefined) return;
  throw new ProblemError(
    "SECRET_REFUSED",
    `the Idempotency-Key looks like a secret (${found.kind})`,
    { next: "send a UUID, and change the secret if it was real" },
  );
};

/** @throws ProblemError RATE_LIMITED while the archive is more than a minute behind */
export const refuseWhileBehind =
  (archive: RunningArchive): Check =>
  () => {
    const lag = archive.lagSeconds();
    if (lag <= MAX_LAG_S) return;
    throw new ProblemError(
      "RATE_LIMITED",
      `the archive is ${Math.round(lag)} s behind: nothing new is taken until it has caught up`,
      { next: "wait; an admin sees why in: gridpost archive status", retryAfterMs: 10_000 },
    );
  };
