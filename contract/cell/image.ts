const ID = /^(?:sha256:)?([0-9a-f]{64})$/;

/**
 * A reference to an image in the one form that engines show: without the default registry and its library, and without
 * a tag in front of a digest, which alone decides. Two that differ here may still be the same image.
 */
export function familiarImage(reference: string): string {
  const id = ID.exec(reference)?.[1];
  if (id !== undefined) return `sha256:${id}`;
  const [named = "", digest] = reference.split("@", 2);
  const path = named.replace(/^(?:index\.)?docker\.io\//, "").replace(/^library\/(?=[^/]*$)/, "");
  return digest === undefined ? path : `${path.replace(/:[^/:]*$/, "")}@${digest}`;
}

const HOST = /(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::\d{1,5})?/;
const PART = /[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*/;
const TAG = /\w[\w.-]{0,127}/;
const DIGEST = /[A-Za-z][A-Za-z0-9+._-]{0,31}:[0-9a-fA-F]{1,128}/;
const REFERENCE = new RegExp(
  `^(?:${HOST.source}/)?${PART.source}(?:/${PART.source})*(?::${TAG.source})?(?:@${DIGEST.source})?$`,
);

/** Whether an engine could know an image by it. Nothing else may reach one: it becomes part of an address there. */
export const isImage = (reference: string): boolean =>
  ID.test(reference) || REFERENCE.test(reference);
