import type { Readable } from "node:stream";
import { sha256 } from "../contract/cell/cell-id.ts";
import type { CellFile, CellSpec } from "../contract/cell/cell.ts";
import { ProblemError } from "../contract/problem.ts";
import type { EvidenceFile } from "../contract/run.ts";
import type { BlobRef, Blobs } from "../storage/blobs.ts";
import type { Query } from "../storage/db.ts";

const MAX_EVIDENCE_BYTES = 64 * 1_048_576;
const SPEC = "select spec from p_cells where id = $1";

/** @throws ProblemError UNPROCESSABLE if the content is not what the hash says, PAYLOAD_TOO_LARGE */
export async function storeEvidence(blobs: Blobs, hash: string, base64: string): Promise<BlobRef> {
  const content = Buffer.from(base64, "base64");
  const found = sha256(content);
  if (found !== hash)
    throw new ProblemError("UNPROCESSABLE", `the content has the SHA-256 ${found}, not ${hash}`, {
      next: "send the bytes that the hash was made of",
    });
  return blobs.put(content, MAX_EVIDENCE_BYTES);
}

/** @throws ProblemError UNPROCESSABLE if a report names a file that was not stored first */
export async function requireEvidence(
  blobs: Blobs,
  evidence: readonly EvidenceFile[],
): Promise<void> {
  for (const { name, sha256: hash } of evidence) {
    if (await blobs.has(hash)) continue;
    throw new ProblemError("UNPROCESSABLE", `the evidence ${name} (${hash}) was not stored`, {
      next: `PUT /v1/attempts/ATTEMPT/evidence/${hash}`,
    });
  }
}

/**
 * An input file of a cell with its content.
 * @throws ProblemError NOT_FOUND if the cell has no such file
 */
export async function cellFile(
  { query, blobs }: { readonly query: Query; readonly blobs: Blobs },
  cell: string,
  hash: string,
): Promise<CellFile & { content: string }> {
  const [row] = await query<{ spec: string }>(SPEC, [cell]);
  const { files } = JSON.parse(row?.spec ?? `{"files":[]}`) as Pick<CellSpec, "files">;
  const file = files.find((one) => one.sha256 === hash);
  if (file === undefined) throw new ProblemError("NOT_FOUND", `the cell has no file ${hash}`);
  return { ...file, content: (await bytesOf(await blobs.get(hash, file.size))).toString("base64") };
}

export async function bytesOf(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
