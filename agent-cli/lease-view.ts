import { formatResource } from "../contract/resource-text.ts";
import type { Answer } from "./api.ts";
import { at, record, table, type View } from "./view.ts";

export type Lease = Answer<"GET /v1/projects/:project/leases/:lease">;

const resourcesOf = ({ resources }: Lease): string => resources.map(formatResource).join(" ");

export const leaseView = (lease: Lease): View =>
  record([
    ["id", lease.id],
    ["fence", lease.fence],
    ["holder", lease.holder],
    ["state", lease.state],
    ["mode", lease.mode],
    ["resources", resourcesOf(lease)],
    ["refs", lease.refs?.join(" ") ?? null],
    ["expires", at(lease.expiresAt)],
    ["reason", lease.reason],
    ["thread", lease.thread],
  ]);

export const leasesView = (leases: readonly Lease[]): View =>
  table(
    ["ID", "FENCE", "HOLDER", "MODE", "RESOURCES", "EXPIRES", "REASON"],
    leases.map((lease) => [
      lease.id,
      lease.fence,
      lease.holder,
      lease.mode,
      resourcesOf(lease),
      lease.expiresAt === null ? lease.state : at(lease.expiresAt),
      lease.reason,
    ]),
    "no leases",
  );

type Held = Answer<"GET /v1/projects/:project/lease-history">["leases"][number];

export const historyView = (leases: readonly Held[]): View =>
  table(
    ["FENCE", "HOLDER", "MODE", "RESOURCES", "FROM", "UNTIL", "STATE", "REASON"],
    leases.map((lease) => [
      lease.fence,
      lease.holder,
      lease.mode,
      resourcesOf(lease),
      at(lease.grantedAt),
      at(lease.endedAt),
      lease.state,
      lease.reason,
    ]),
    "nobody held it",
  );
