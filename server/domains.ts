import { cellsDeadlines } from "../cells/deadlines.ts";
import { cellsHandlers } from "../cells/handlers.ts";
import { nodesHandlers } from "../cells/node-handlers.ts";
import type { CellsDeps } from "../cells/ports.ts";
import { cellsProjection } from "../cells/projection.ts";
import { contract } from "../contract/index.ts";
import { mailboxHandlers } from "../mailbox/handlers.ts";
import { mailboxProjection } from "../mailbox/projection.ts";
import { reservationsDeadlines } from "../reservations/deadlines.ts";
import { reservationsHandlers } from "../reservations/handlers.ts";
import { leasePort } from "../reservations/lease-port.ts";
import { reservationsProjection } from "../reservations/projection.ts";
import { DEFAULT_LEASE_SETTINGS, type LeaseSettings } from "../reservations/settings.ts";
import type { Blobs } from "../storage/blobs.ts";
import type { Db } from "../storage/db.ts";
import { type EventLog, openLog } from "../storage/event-log.ts";
import type { Projection } from "../storage/log.ts";
import type { Hub } from "./hub.ts";
import { identityHandlers } from "./identity/handlers.ts";
import type { IdentityDeps } from "./identity/deps.ts";
import { identityProjection } from "./identity/projection.ts";
import { type Domain, domain } from "./mount.ts";
import type { Settings } from "./settings.ts";
import { inboxTopic } from "./topics.ts";

/** The projections of all domains: what a replay of the log builds. */
export const projections: readonly Projection[] = [
  identityProjection,
  mailboxProjection,
  reservationsProjection,
  cellsProjection,
];

const leaseSettings = ({ leases }: Settings): LeaseSettings => ({
  ...DEFAULT_LEASE_SETTINGS,
  minTtlMs: leases.minTtl,
});

const cellsSettings = ({ freeze }: Settings): CellsDeps["settings"] => ({ freezeMs: freeze });

/** The log with every domain's projections and deadlines. */
export function openDomainLog(db: Db, settings: Settings): EventLog {
  const deadlines = {
    ...reservationsDeadlines({ settings: leaseSettings(settings) }),
    ...cellsDeadlines({ leases: leasePort(db.dialect), settings: cellsSettings(settings) }),
  };
  return openLog({ db, projections, deadlines });
}

export interface DomainParts {
  readonly log: EventLog;
  readonly hub: Hub;
  readonly blobs: Blobs;
  readonly settings: Settings;
  readonly identity: IdentityDeps;
}

/** The handlers of all domains, each with the ports that it asks for. */
export function openDomains({ log, hub, blobs, settings, identity }: DomainParts): Domain[] {
  const wait: Parameters<typeof mailboxHandlers>[0]["wait"] = ({ project, agent }, options) =>
    hub.wait(inboxTopic(project, agent), options);
  const leases = leasePort(log.db.dialect);
  const cells: CellsDeps = { log, leases, blobs, settings: cellsSettings(settings) };
  return [
    domain("identity", contract.identity, identityHandlers(identity)),
    domain("mailbox", contract.mailbox, mailboxHandlers({ log, wait })),
    domain(
      "reservations",
      contract.reservations,
      reservationsHandlers({ log, settings: leaseSettings(settings) }),
    ),
    domain("cells", contract.cells, cellsHandlers(cells)),
    domain("nodes", contract.nodes, nodesHandlers(cells)),
  ];
}
