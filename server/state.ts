import type { Logger } from "pino";
import type { Releasers } from "../runtime/shutdown.ts";
import type { Blobs } from "../storage/blobs.ts";
import type { EventLog } from "../storage/event-log.ts";
import type { Hub } from "./hub.ts";
import type { Identity } from "./identity/open.ts";
import type { Reports } from "./report-thread.ts";
import type { Settings } from "./settings.ts";

/** What every part of a starting server is given. */
export interface Plumbing {
  readonly settings: Settings;
  readonly log: Logger;
  /** Takes what has to be given back at the end. */
  readonly releasers: Releasers;
}

/** What the parts of a server share: its log, who may call, and the wake-ups. */
export interface State {
  readonly eventLog: EventLog;
  readonly identity: Identity;
  readonly hub: Hub;
  readonly blobs: Blobs;
  readonly reports: Reports;
}
