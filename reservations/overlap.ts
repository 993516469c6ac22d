import type { Resource } from "../contract/resource.ts";
import { ancestorsOf, literalPrefix } from "./keys.ts";

/** What two resources have in common, or null: for files a path that both patterns cover, else the thing itself. */
export function commonOf(a: Resource, b: Resource): string | null {
  if (a.kind !== "file" || b.kind !== "file")
    return JSON.stringify(a) === JSON.stringify(b) ? "" : null;
  const [one, two] = [literalPrefix(a.pattern), literalPrefix(b.pattern)];
  const meets = ancestorsOf(one).includes(two) || ancestorsOf(two).includes(one);
  return meets ? (one.length > two.length ? one : two).replace(/\/$/, "") : null;
}
