import type { RunningArchive } from "../archive/start.ts";
import { ProblemError } from "../contract/problem.ts";
import { findSecretIn } from "../contract/secrets.ts";
import type { Domain } from "./mount.ts";

/** Beyond it new mail would only lengthen the way to the archive. */
const MAX_LAG_S = 60;

type Check = (body: unknown) => void;

/** Runs a check on the body before the named handlers of a domain. */
export function guarded(domain: Domain, names: readonly string[], check: Check): Domain {
  const entries = Object.entries(domain.handlers).map(([name, handle]) => {
    if (!names.includes(name)) return [name, handle] as const;
    const checked = async (call: never): Promise<unknown> => {
      check((call as { readonly body?: unknown }).body);
      return handle(call);
    };
    return [name, checked] as const;
  });
  return { ...domain, handlers: Object.fromEntries(entries) };
}

/** @throws ProblemError SECRET_REFUSED: what is said here becomes part of Git, which cannot forget */
export const refuseSecrets: Check = (body) => {
  const found = findSecretIn(body);
  if (found === undefined) return;
  const { path, kind, at } = found;
  throw new ProblemError("SECRET_REFUSED", `${path} holds what looks like a secret (${kind})`, {
    details: [{ path, kind, at }],
    next: "leave it out, and change the secret if it was real: what is sent here is archived for ever",
  });
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
