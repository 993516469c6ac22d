import { access } from "./access.ts";
import { archive } from "./archive.ts";
import { cells } from "./cells.ts";
import { guard } from "./guard.ts";
import { identity } from "./identity.ts";
import { mailbox } from "./mailbox.ts";
import { nodes } from "./nodes.ts";
import { reports } from "./reports.ts";
import { reservations } from "./reservations.ts";

/** Every HTTP call of the product, by domain. */
export const contract = {
  identity,
  access,
  mailbox,
  reservations,
  guard,
  cells,
  nodes,
  archive,
  reports,
} as const;

export type Contract = typeof contract;
