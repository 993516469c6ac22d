import { ByteSet, SLASH } from "./byte-set.ts";
import { refusePattern } from "./refuse.ts";

const NAMED: Readonly<Record<string, RegExp>> = {
  alnum: /[A-Za-z0-9]/,
  alpha: /[A-Za-z]/,
  blank: /[ \t]/,
  cntrl: /\p{Cc}/u,
  digit: /[0-9]/,
  graph: /[!-~]/,
  lower: /[a-z]/,
  print: /[ -~]/,
  punct: /[!-/:-@[-`{-~]/,
  space: /[ \t\n\r]/,
  upper: /[A-Z]/,
  xdigit: /[A-Fa-f0-9]/,
};

interface ClassOf {
  readonly pattern: string;
  readonly ignoreCase: boolean;
}

/**
 * Reads the inside of `[…]` as git does: byte ranges, escapes, `[:name:]`, negation by `!` or `^`. Never matches a slash.
 * @param inside the text between the brackets
 * @throws ProblemError UNPROCESSABLE, naming the pattern, for an unknown name or for what is not ASCII
 */
export function parseClass(inside: string, { pattern, ignoreCase }: ClassOf): ByteSet {
  if (/[^\0-\x7f]/.test(inside))
    throw refusePattern(
      pattern,
      "has a letter beyond ASCII in a class, which git compares by bytes",
      "list the alternatives in braces",
    );
  const negated = /^[!^]/.test(inside);
  const members = membersOf(negated ? inside.slice(1) : inside, pattern);
  if (ignoreCase) addOtherCase(members);
  const bytes = Array.from({ length: 255 }, (_, i) => i + 1);
  return new ByteSet(bytes.filter((byte) => byte !== SLASH && members.has(byte) !== negated));
}

/** The two cases of an ASCII letter differ by one bit. */
function addOtherCase(members: Set<number>): void {
  for (const byte of members)
    if (NAMED["alpha"]?.test(String.fromCharCode(byte))) members.add(byte ^ 0x20);
}

function membersOf(text: string, pattern: string): Set<number> {
  const members = new Set<number>();
  let previous = 0;
  for (let i = 0; i < text.length; i += 1) {
    const named = /^\[:([^\]]*):\]/.exec(text.slice(i));
    if (named !== null) {
      addNamed(members, named[1] ?? "", pattern);
      i += named[0].length - 1;
      previous = 0;
    } else if (text[i] === "-" && previous > 0 && i + 1 < text.length) {
      i += text[i + 1] === "\\" ? 2 : 1;
      for (let byte = previous; byte <= text.charCodeAt(i); byte += 1) members.add(byte);
      previous = 0;
    } else {
      if (text[i] === "\\") i += 1;
      previous = text.charCodeAt(i);
      members.add(previous);
    }
  }
  return members;
}

function addNamed(members: Set<number>, name: string, pattern: string): void {
  const test = Object.hasOwn(NAMED, name) ? NAMED[name] : undefined;
  if (test === undefined)
    throw refusePattern(
      pattern,
      `has the unknown class [:${name}:]`,
      `the names are ${Object.keys(NAMED).join(", ")}`,
    );
  for (let byte = 1; byte < 128; byte += 1) {
    if (test.test(String.fromCharCode(byte))) members.add(byte);
  }
}
