import { hash } from "node:crypto";
import type { CellSpec, Resolved } from "./cell.ts";
import type { CellId } from "../ids.ts";

/**
 * RFC 8785 (JSON Canonicalization Scheme): keys sorted by UTF-16 code units, numbers and strings as ECMAScript
 * serialises them, no white space. Keys whose value is undefined are left out, as in `JSON.stringify`.
 * @throws TypeError for a number that JSON cannot hold (NaN, Infinity).
 */
export function canonicalJson(value: unknown): string {
  if (typeof value === "number" && !Number.isFinite(value))
    throw new TypeError(`${value} has no JSON form`);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value) ?? "null";
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`);
  return `{${members.join(",")}}`;
}

/** SHA-256 of a text or of bytes, 64 hexadecimal digits. */
export const sha256 = (data: string | Uint8Array): string => hash("sha256", data);

/** The identity of a cell. */
export const cellIdOf = (spec: CellSpec): CellId => sha256(canonicalJson(spec)) as CellId;

/** The identity under which results are compared: the cell together with what was frozen for it. */
export const measuredIdOf = (cellId: string, { image, runtime }: Resolved): string =>
  // The canonical JSON of {cell, resolved}, written out because every result needs one.
  sha256(
    `{"cell":"${cellId}","resolved":{"image":${JSON.stringify(image)},"runtime":"${runtime}"}}`,
  );
