import type { Clock } from "../runtime/clock.ts";
import type { Inventory } from "../contract/inventory.ts";
import type { Contact } from "./contact.ts";
import type { Engines } from "./engines.ts";
import type { Disk } from "./disk.ts";
import type { DaemonOptions } from "./options.ts";
import type { Log, Server } from "./ports.ts";
import type { Cores } from "./process/cores.ts";
import type { Spool } from "./spool.ts";
import type { Stops } from "./stops.ts";
import type { Alarm } from "./timers.ts";

/** What the parts of a running daemon share. */
export interface Node {
  readonly options: DaemonOptions;
  readonly server: Server;
  readonly spool: Spool;
  readonly engines: Engines;
  readonly disk: Disk;
  readonly cores: Cores;
  readonly contact: Contact;
  readonly stops: Stops;
  readonly clock: Clock;
  readonly log: Log;
  /** What it joined as, once the server has said so in this life or an earlier one. */
  name: string;
  /** The machine as it was last registered. */
  inventory: Inventory;
  /** UUIDs of GPUs that were not fit for a measurement: not offered until they are again. */
  readonly quarantine: Set<string>;
  /** Wakes the claiming and the beating loop. */
  readonly wakeClaims: Alarm;
  readonly wakeBeat: Alarm;
  /** True while the server tells us when there may be work: polls can be rare then. */
  hinted: boolean;
  /** Fires when the daemon hands off: everything lets go of what runs, and nothing is stopped. */
  readonly detach: AbortSignal;
}

/** The daemon ends while this was going on; the next life goes on with it. */
export class DetachedError extends Error {
  constructor() {
    super("the daemon is handing off");
    this.name = "DetachedError";
  }
}
