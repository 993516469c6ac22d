import type { Cell } from "../contract/cell/cell.ts";
import type { FileIdentity } from "../contract/cell/expand.ts";
import { familiarImage } from "../contract/cell/image.ts";
import type { SweepFile } from "../contract/cell/sweep-file.ts";
import { newId } from "../contract/ids.ts";
import { ProblemError } from "../contract/problem.ts";
import type { Blobs } from "../storage/blobs.ts";
import type { Event, LogTx } from "../storage/log.ts";
import { imageOn } from "./match.ts";
import { nodeState } from "./node-state.ts";
import { knownNodes, type Node } from "./node-store.ts";

const MAX_FILES_BYTES = 8 * 1_048_576;

export interface InputFile {
  readonly path: string;
  /** Base64. */
  readonly content: string;
}

/**
 * Stores the input files of a sweep as blobs.
 * @throws ProblemError PAYLOAD_TOO_LARGE, UNPROCESSABLE for a file that no cell names
 */
export async function storeFiles(
  blobs: Blobs,
  sweep: SweepFile,
  files: readonly InputFile[],
): Promise<Map<string, FileIdentity>> {
  const stray = files.find(({ path }) => !sweep.cell.files.includes(path));
  if (stray !== undefined)
    throw new ProblemError("UNPROCESSABLE", `cell.files does not name ${stray.path}`, {
      next: "add it to cell.files or leave it out",
    });
  const contents = files.map(
    ({ path, content }) => [path, Buffer.from(content, "base64")] as const,
  );
  const bytes = contents.reduce((sum, [, content]) => sum + content.length, 0);
  if (bytes > MAX_FILES_BYTES)
    throw new ProblemError("PAYLOAD_TOO_LARGE", `the input files have ${bytes} bytes together`, {
      next: `send at most ${MAX_FILES_BYTES} bytes; mount what is larger`,
    });
  const stored = new Map<string, FileIdentity>();
  for (const [path, content] of contents)
    stored.set(path, await blobs.put(content, MAX_FILES_BYTES));
  return stored;
}

export interface Submission {
  readonly id: string;
  readonly project: string;
  readonly actor: string;
  readonly sweep: SweepFile;
  /** What the sweep expands to. */
  readonly cells: readonly Cell[];
}

/** Queues the runs of a sweep's cells, block by block; answers the event. */
export async function submitSweep(tx: LogTx, submission: Submission): Promise<Event> {
  const { id, project, actor, sweep, cells } = submission;
  const blocks = Array.from({ length: sweep.blocks }, (_, i) => i + 1);
  const runs = blocks.flatMap((block) =>
    cells.map((cell) => ({ id: newId(), cell: cell.id, block })),
  );
  const written = [...new Set(cells.flatMap(({ image }) => (image === null ? [] : [image])))];
  const nodes = await knownNodes(tx.query);
  const ready = nodes.filter((node) => nodeState(node, tx.now) === "ready");
  const images = Object.fromEntries(written.map((image) => [image, frozenId(image, ready)]));
  const thread = sweep.thread ?? `sweep-${id}`;
  const { name } = sweep;
  return tx.append({
    type: "sweep.submitted",
    project,
    actor,
    body: { id, name, thread, source: sweep, cells, runs, images },
  });
}

/** The identity of an image as most ready nodes report it; null if none has it. One written by digest or id is its own. */
function frozenId(image: string, ready: readonly Node[]): string | null {
  const familiar = familiarImage(image);
  if (/^sha256:|@/.test(familiar)) return familiar;
  const votes = new Map<string, number>();
  for (const { images } of ready) {
    const id = imageOn(images, image);
    if (id !== undefined) votes.set(id, (votes.get(id) ?? 0) + 1);
  }
  const [most] = [...votes].toSorted(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
  return most?.[0] ?? null;
}
