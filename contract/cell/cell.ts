import { z } from "zod";
import { CellId, Sha256 } from "../ids.ts";
import { AxisValue, Mount, Parser, RelativePath, RuntimeChoice } from "./sweep-file.ts";

/** An input file of a cell by content. */
export const CellFile = z.object({ path: RelativePath, sha256: Sha256, size: z.int().min(0) });
export type CellFile = z.infer<typeof CellFile>;

/**
 * The fields of a cell that change what is measured; `cellId` is the SHA-256 of their RFC 8785 JSON. An absent choice
 * is null, never left out, so that two writings of one cell hash alike.
 */
export const CellSpec = z.object({
  image: z.string().nullable(),
  command: z.array(z.string()),
  env: z.record(z.string(), z.string()),
  files: z.array(CellFile),
  mounts: z.array(Mount),
  runtime: RuntimeChoice,
  resources: z.object({
    memory: z.number().nullable(),
    cpus: z.number().nullable(),
    shm: z.number().nullable(),
    pids: z.number().nullable(),
  }),
  gpus: z.int().min(0),
  vendor: z.enum(["nvidia", "amd"]).nullable(),
  arch: z.string().nullable(),
  memory: z.number().nullable(),
  models: z.array(z.string()),
  parser: Parser,
  axes: z.record(z.string(), AxisValue),
});
export type CellSpec = z.infer<typeof CellSpec>;

/** One fully specified measurement; immutable. */
export const Cell = z.object({ id: CellId, ...CellSpec.shape }).meta({ id: "Cell" });
export type Cell = z.infer<typeof Cell>;

/** What of a cell was frozen before it was measured. `image` is a repo digest or, for a local image, its id. */
export const Resolved = z.object({
  image: z.string().nullable(),
  runtime: z.enum(["docker", "process"]),
});
export type Resolved = z.infer<typeof Resolved>;
