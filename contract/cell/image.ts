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
