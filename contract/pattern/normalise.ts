import { refusePattern } from "./refuse.ts";

const MAGIC = /[*?[\\]/;

/** True if a path is meant literally: it covers itself and everything below it. */
export const isPlain = (text: string): boolean => !MAGIC.test(text);

/**
 * Brings a pattern without braces into its one form, relative to the root of the repository: NFC, no `.`, `..`, `//` or
 * trailing slash. The whole repository is `**`.
 * @throws ProblemError UNPROCESSABLE for what no file of a repository can match
 */
export function normalise(given: string): string {
  const text = given.normalize("NFC");
  refuseText(text);
  const segments: string[] = [];
  for (const segment of split(text)) {
    if (segment === "" || segment === ".") continue;
    if (segment === "..") goUp(segments, text);
    else segments.push(segment);
  }
  if (segments.some((segment) => segment.toLowerCase() === ".git"))
    throw refusePattern(text, "is about .git, which git never tracks", "leave it out");
  const normal = segments.join("/");
  if (normal === "") return "**";
  if (text.endsWith("/") && !isPlain(normal))
    throw refusePattern(text, "ends with a slash and matches no file", `write ${normal}/**`);
  return normal;
}

const REFUSED: readonly (readonly [RegExp, string, string])[] = [
  [/^$/, "is empty", "write ** for the whole repository"],
  [/[\p{Cs}\uFFFD]/u, "is not valid Unicode", "write it in UTF-8"],
  [/\p{Cc}/u, "has a control character", "leave it out, or cover it with ?"],
  [/^\//, "is absolute", "start at the root of the repository, without a slash"],
  [/^!/, "starts with !", "name what you want to hold; write \\! for a file of that name"],
  [/^:[(/!^]/, "has pathspec magic", "write the pattern alone; it always has glob magic"],
];

function refuseText(text: string): void {
  const found = REFUSED.find(([wrong]) => wrong.test(text));
  if (found !== undefined) throw refusePattern(text, found[1], found[2]);
}

function goUp(segments: string[], text: string): void {
  const gone = segments.pop();
  if (gone === undefined)
    throw refusePattern(text, "leads out of the repository", "start at its root");
  if (!isPlain(gone)) throw refusePattern(text, `has .. after ${gone}`, "write it without ..");
}

/** Splits at slashes; refuses those that are escaped or in a class, because they would not separate. */
function split(text: string): string[] {
  for (let i = 0; i < text.length; i += 1) {
    if (text[i] === "\\") {
      i += 1;
      if (i === text.length)
        throw refusePattern(text, "ends with a backslash", "write \\\\ for a backslash");
      if (text[i] === "/") throw refusePattern(text, "escapes a slash", "write the slash alone");
    } else if (text[i] === "[") {
      i = classEnd(text, i);
    }
  }
  return text.split("/");
}

/** The place of the `]` that ends the class which starts at `start`. */
export function classEnd(text: string, start: number): number {
  let i = start + 1;
  if (text[i] === "!" || text[i] === "^") i += 1;
  for (let first = true; i < text.length; i += 1, first = false) {
    if (text[i] === "]" && !first) return i;
    if (text[i] === "/") break;
    if (text[i] === "\\") i += 1;
    else if (text[i] === "[" && text[i + 1] === ":") i = namedEnd(text, i);
  }
  throw refusePattern(text, "has a [ without a ]", "write \\[ for a bracket");
}

/** The last place of `[:name:]`, or `start` when it is none: git then takes the bracket literally. */
function namedEnd(text: string, start: number): number {
  const close = text.indexOf("]", start + 2);
  return close > start + 2 && text[close - 1] === ":" ? close : start;
}
