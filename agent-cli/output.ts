import { shellWord } from "../contract/shell-word.ts";
import { printable, renderPlain, type View } from "./view.ts";

/** Where a command's answer goes: exactly one document, or lines, on stdout; everything else on stderr. */
export interface Output {
  /** JSON was asked for. */
  readonly json: boolean;
  /** People are looking at stdout. */
  readonly tty: boolean;
  /** The command's answer. */
  show(document: unknown, view: View): Promise<void>;
  /** A piece of a longer text, as it is; a JSON line of its own when JSON was asked for. */
  write(document: unknown, piece: string): void;
  /** A line for people on stderr. */
  note(line: string): void;
  /** A line on stderr that replaces the one before it on a terminal. */
  progress(line: string): void;
}

const CLEAR_LINE = "\r\u001B[K";

export function createOutput(json: boolean): Output {
  const tty = process.stdout.isTTY;
  let live = false;
  const endLive = (): void => {
    if (live) process.stderr.write("\n");
    live = false;
  };
  return {
    json,
    tty,
    show: async (document, view) => {
      endLive();
      if (json) return line(JSON.stringify(document));
      line(tty ? await forTerminal(view) : renderPlain(view));
      const next = nextPage(document);
      if (next !== undefined)
        console.error(`more: the same command with --after ${shellWord(next)}`);
    },
    write: (document, piece) => {
      if (json) line(JSON.stringify(document));
      else process.stdout.write(tty ? printable(piece) : piece);
    },
    note: (text) => {
      endLive();
      console.error(printable(text));
    },
    progress: (text) => {
      if (!process.stderr.isTTY) return console.error(text);
      live = true;
      process.stderr.write(`${CLEAR_LINE}${text}`);
    },
  };
}

async function forTerminal(view: View): Promise<string> {
  const { renderTerminal } = await import("./terminal.ts");
  return renderTerminal(view, process.stdout);
}

/** Where a list goes on that has more than it shows: its cursor stands in no view. */
const nextPage = (document: unknown): string | undefined =>
  typeof document === "object" &&
  document !== null &&
  "next" in document &&
  typeof document.next === "string"
    ? document.next
    : undefined;

/** An empty answer is no line at all. */
const line = (text: string): void => {
  if (text !== "") console.log(text.replace(/\n$/, ""));
};
