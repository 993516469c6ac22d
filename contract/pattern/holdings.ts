import { foldCase } from "./fold.ts";
import { covers, type FilePattern, parsePattern, reachesBelow } from "./pattern.ts";

/** A pattern that somebody holds, with whatever is to be told about it. */
export interface Holding {
  readonly pattern: string;
  readonly ignoreCase: boolean;
}

interface Read<H> {
  readonly holding: H;
  readonly pattern: FilePattern;
}

/** Finds who holds a path: looks only at patterns whose fixed directories the path lies in. */
export class Holdings<H extends Holding> {
  private readonly byPrefix = new Map<string, Read<H>[]>();

  constructor(holdings: Iterable<H>) {
    for (const holding of holdings) {
      const pattern = parsePattern(holding.pattern, holding.ignoreCase);
      for (const prefix of new Set(pattern.alternatives.map((one) => foldCase(one.prefix)))) {
        const here = this.byPrefix.get(prefix) ?? [];
        here.push({ holding, pattern });
        this.byPrefix.set(prefix, here);
      }
    }
  }

  /**
   * The holdings that cover a path of the repository. A path that ends with a slash is a folder or submodule: what is held
   * below it counts too. A slash alone is the whole repository.
   */
  of(path: string): H[] {
    const normal = path.normalize("NFC").replace(/\/$/, "");
    const found = new Set<H>();
    for (const prefix of prefixesOf(foldCase(normal))) {
      for (const { holding, pattern } of this.byPrefix.get(prefix) ?? [])
        if (covers(pattern, normal)) found.add(holding);
    }
    if (path.endsWith("/")) {
      for (const one of [...this.byPrefix.values()].flat())
        if (reachesBelow(one.pattern, normal)) found.add(one.holding);
    }
    return [...found];
  }
}

/** `a/b` -> ``, `a/`, `a/b/`: a plain path is its own prefix. */
function prefixesOf(path: string): string[] {
  const prefixes = [""];
  for (let end = path.indexOf("/"); end !== -1; end = path.indexOf("/", end + 1))
    prefixes.push(path.slice(0, end + 1));
  return [...prefixes, `${path}/`];
}
