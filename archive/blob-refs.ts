import type { BlobRef } from "../storage/blobs.ts";

/** The blobs that the body of an event speaks of: every object in it with a hash and a size. */
export function blobRefs(body: unknown): BlobRef[] {
  if (Array.isArray(body)) return body.flatMap(blobRefs);
  if (typeof body !== "object" || body === null) return [];
  const { sha256, size } = body as { readonly sha256?: unknown; readonly size?: unknown };
  const own = typeof sha256 === "string" && typeof size === "number" ? [{ sha256, size }] : [];
  return [...own, ...Object.values(body).flatMap(blobRefs)];
}
