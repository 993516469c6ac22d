import { archiveHandlers } from "../archive/handlers.ts";
import type { RunningArchive } from "../archive/start.ts";
import { cellsDeadlines } from "../cells/deadlines.ts";
import { cellsHandlers } from "../cells/handlers.ts";
import { nodesHandlers } from "../cells/node-handlers.ts";
import type { CellsDeps } from "../cells/ports.ts";
import { contract } from "../contract/index.ts";
import { mailboxDeadlines } from "../mailbox/deadlines.ts";
import { mailboxHandlers } from "../mailbox/handlers.ts";
import { refusePrivate } from "../mailbox/open-threads.ts";
import { reportsHandlers } from "../reports/handlers.ts";
import type { MakeReport } from "../reports/ports.ts";
import { reservationsDeadlines } from "../reservations/deadlines.ts";
import { guardHandlers } from "../reservations/guard.ts";
import { reservationsHandlers } from "../reservations/handlers.ts";
import { leasePort } from "../reservations/lease-port.ts";
import { DEFAULT_LEASE_SETTINGS, type LeaseSettings } from "../reservations/settings.ts";
import type { Blobs } from "../storage/blobs.ts";
import type { Db } from "../storage/db.ts";
import { type EventLog, openLog } from "../storage/event-log.ts";
import type { SearchIndex } from "../storage/search.ts";
import { agentDirectory } from "./agent-directory.ts";
import { guarded, refuseSecretKeys, refuseSecrets, refuseWhileBehind } from "./boundary.ts";
import { signSnapshot } from "./guard-snapshot.ts";
import type { Hub } from "./hub.ts";
import { accessHandlers } from "./identity/access-handlers.ts";
import { identityHandlers } from "./identity/handlers.ts";
import type { IdentityDeps } from "./identity/deps.ts";
import { type Domain, domain } from "./mount.ts";
import { projections } from "./projections.ts";
import { verifyInThread } from "./verify-thread.ts";
import type { Settings } from "./settings.ts";
import { sweepDigestDeadlines } from "./sweep-digest.ts";
import { beginSweepThread } from "./sweep-posts.ts";
import { inboxTopic, ticketTopic } from "./topics.ts";

const leaseSettings = ({ leases: { minTtl, lockDelay }, limits }: Settings): LeaseSettings => ({
  maxOpen: limits.leases,
  minTtlMs: minTtl,
  lockDelayMs:
    lockDelay === undefined
      ? DEFAULT_LEASE_SETTINGS.lockDelayMs
      : { file: lockDelay, other: lockDelay },
});

const cellsSettings = ({ leases, sweeps }: Settings): CellsDeps["settings"] => ({
  freezeMs: leases.startFreeze,
  idleMs: sweeps.idleTimeout,
});

/** The log with every domain's projections and deadlines. */
export function openDomainLog(db: Db, settings: Settings): EventLog {
  const leaseContext = { dialect: db.dialect, settings: leaseSettings(settings) };
  const deadlines = {
    ...mailboxDeadlines(),
    ...reservationsDeadlines(leaseContext),
    ...cellsDeadlines({ leases: leasePort(leaseContext), settings: cellsSettings(settings) }),
    ...sweepDigestDeadlines(),
  };
  return openLog({ db, projections, deadlines });
}

const SENDS = ["send", "reply"];
/**
 * The calls whose text is no part of the archive, or proves the caller; and those of nodes, whose daemons have hidden the
 * secrets of their runs: no result gets lost for a look-alike.
 */
const UNCHECKED = new Set([
  "token",
  "join",
  "verify",
  "push",
  "check",
  "guardCheck",
  "awaitTicket",
  "beat",
  "register",
  "claim",
  "start",
  "complete",
  "appendLog",
  "putEvidence",
]);

export interface DomainParts {
  readonly log: EventLog;
  readonly hub: Hub;
  readonly blobs: Blobs;
  readonly search: SearchIndex;
  readonly settings: Settings;
  readonly identity: IdentityDeps;
  readonly archive: RunningArchive;
  readonly report: MakeReport;
}

/** The handlers of all domains, each with the ports that it asks for. */
export function openDomains(parts: DomainParts): Domain[] {
  const { log, hub, blobs, search, settings, identity, archive } = parts;
  const wait: Parameters<typeof mailboxHandlers>[0]["wait"] = ({ project, agent }, options) =>
    hub.wait(inboxTopic(project, agent), options);
  const leases = leasePort({ dialect: log.db.dialect, settings: leaseSettings(settings) });
  const cells: CellsDeps = {
    log,
    leases,
    threads: { refusePrivate, begin: beginSweepThread },
    blobs,
    settings: cellsSettings(settings),
  };
  const domains = [
    domain("identity", contract.identity, identityHandlers(identity)),
    domain("access", contract.access, accessHandlers(identity)),
    domain(
      "mailbox",
      contract.mailbox,
      mailboxHandlers({ log, wait, blobs, search, maxUnread: settings.limits.unread }),
    ),
    domain(
      "reservations",
      contract.reservations,
      reservationsHandlers({
        log,
        settings: leaseSettings(settings),
        agents: agentDirectory,
        wait: ({ id }, options) => hub.wait(ticketTopic(id), options),
      }),
    ),
    domain(
      "guard",
      contract.guard,
      guardHandlers({ log, sign: (snapshot) => signSnapshot(identity.keys(), snapshot) }),
    ),
    domain("cells", contract.cells, cellsHandlers(cells)),
    domain("nodes", contract.nodes, nodesHandlers(cells)),
    domain(
      "archive",
      contract.archive,
      archiveHandlers({
        log,
        archive,
        verify: (request, signal) => verifyInThread(settings.data, request, signal),
      }),
    ),
    domain("reports", contract.reports, reportsHandlers(parts.report)),
  ];
  return domains.map((one) => atTheBoundary(one, archive));
}

/** What stands before the calls whose text becomes part of the archive. */
function atTheBoundary(one: Domain, archive: RunningArchive): Domain {
  const keyed = guarded(one, () => true, refuseSecretKeys);
  const written = guarded(keyed, (name) => !UNCHECKED.has(name), refuseSecrets);
  if (one.name !== "mailbox") return written;
  return guarded(written, (name) => SENDS.includes(name), refuseWhileBehind(archive));
}
