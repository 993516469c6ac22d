import { z } from "zod";

/** A GPU as its vendor's tool describes it; null where the tool does not say. */
export const Gpu = z
  .object({
    uuid: z.string().min(1).max(128),
    vendor: z.enum(["nvidia", "amd"]),
    name: z.string(),
    arch: z.string().nullable(),
    memoryBytes: z.int().nullable(),
    pci: z.string().nullable(),
    driver: z.string().nullable(),
    firmware: z.string().nullable(),
    partition: z.string().nullable(),
    numaNode: z.int().nullable(),
  })
  .meta({ id: "Gpu" });
export type Gpu = z.infer<typeof Gpu>;

/** What a node says of itself when it registers. Changes of it are events; measurements of the moment are not. */
export const Inventory = z
  .object({
    version: z.string(),
    hostname: z.string(),
    os: z.string(),
    kernel: z.string(),
    cpu: z.object({ model: z.string(), count: z.int(), arch: z.string() }),
    memoryBytes: z.int(),
    gpus: z.array(Gpu),
    /** True for an inventory that was made up for a trial; marked in every result. */
    simulated: z.boolean(),
    labels: z.record(z.string(), z.string()),
    /** The runtimes that the node's policy and engine offer now. */
    runtimes: z.array(z.enum(["docker", "process"])),
    engine: z.object({ name: z.string(), version: z.string(), apiVersion: z.string() }).nullable(),
    /** How many sessions without GPUs may run side by side. */
    slots: z.int().min(1),
  })
  .meta({ id: "Inventory" });
export type Inventory = z.infer<typeof Inventory>;
