import { z } from "zod";
import { Name } from "../contract/ids.ts";

/** What `gridpost daemon` is told. */
export const DaemonOptions = z.strictObject({
  /** The server, `http://host:port`. */
  url: z.url({ protocol: /^https?$/ }),
  /** File with the join token; needed at the first start only. */
  tokenFile: z.string().min(1).optional(),
  name: Name,
  /** Folder of the key, the spool and the work of running attempts; created if missing. */
  data: z.string().min(1),
  /** Policy: cells that declare the process runtime may run without a container. */
  allowProcess: z.boolean().default(false),
  /** How many sessions without GPUs may run side by side; more than one disturb each other. */
  slots: z.int().min(1).max(1_024).default(1),
  labels: z.record(Name, z.string().max(256)).readonly().default({}),
  /** JSON file with an array of GPUs to pretend to have; everything measured is marked simulated. */
  simulateGpus: z.string().min(1).optional(),
  /** Folders under which a cell may mount a directory, read only. */
  mountRoots: z.array(z.string().startsWith("/")).readonly().default([]),
  /** Talk to the server over plain HTTP beyond loopback; a join with it is remembered. */
  insecure: z.boolean().default(false),
});
export type DaemonOptions = z.infer<typeof DaemonOptions>;
