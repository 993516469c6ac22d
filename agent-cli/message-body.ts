import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { ProblemError } from "../contract/problem-error.ts";
import { MAX_BODY_BYTES } from "../contract/mail/limits.ts";
import type { Payload } from "../contract/mail/text.ts";
import { readText } from "./arguments.ts";
import type { Cli } from "./command.ts";
import { type Environment, variable } from "./environment.ts";

export interface BodyOptions {
  readonly body?: string | undefined;
  readonly file?: string | undefined;
  readonly payload?: string | undefined;
}

/** Whoever pipes a text in has written some of it by now. */
const FED_WITHIN_MS = 100;

/**
 * Hands on the text of a message: as given, from a file, or written in `$EDITOR` when a person sits at the terminal;
 * otherwise undefined. What a person wrote is kept in its file unless it was sent.
 * @throws ProblemError BAD_REQUEST for a text that is given twice, or piped in without `-f -`: a message cannot be mended
 */
export async function withBody<T>(
  options: BodyOptions,
  cli: Cli,
  deliver: (body: string | undefined) => Promise<T>,
): Promise<T> {
  const editor = editorFor(options, cli.environment);
  if (editor === undefined) return deliver(await bodyOf(options));
  const { text, file } = await writtenIn(editor);
  cli.repeatWith("-f", file);
  const sent = await deliver(text).catch((error: unknown) => {
    cli.out.note(`your text is kept in ${file}`);
    throw error;
  });
  await rm(dirname(file), { recursive: true, force: true });
  return sent;
}

/** The editor to write a text in that is not given, if a person is there to do it. */
function editorFor({ body, file }: BodyOptions, environment: Environment): string | undefined {
  const given = body !== undefined || file !== undefined;
  const person = process.stdin.isTTY && process.stdout.isTTY;
  if (given || !person) return undefined;
  return variable(environment, "VISUAL") ?? variable(environment, "EDITOR");
}

async function bodyOf({ body, file, payload }: BodyOptions): Promise<string | undefined> {
  if (body !== undefined && file !== undefined)
    throw new ProblemError("BAD_REQUEST", "the message is given twice", {
      next: "give either --body or --file",
    });
  if (body !== undefined) return body;
  if (file !== undefined) return fitting(await readText(file), file);
  if (payload !== "-" && !process.stdin.isTTY && (await isFed(process.stdin)))
    throw new ProblemError("BAD_REQUEST", "the message has no text, but something is piped in", {
      next: "-f - sends what is piped in; --body '' sends a message without text",
    });
  return undefined;
}

/** A server hangs up on what is far too long, and the refusal is lost with the connection. */
function fitting(text: string, file: string): string {
  const bytes = Buffer.byteLength(text);
  if (bytes <= MAX_BODY_BYTES) return text;
  throw new ProblemError(
    "BAD_REQUEST",
    `${file} has ${bytes} bytes; the text of a message has at most ${MAX_BODY_BYTES}`,
    { next: "send it as a file, with --attach" },
  );
}

/** Whether a stream holds something. One that is open and silent, as programs give it to their children, does not. */
async function isFed(stream: Readable): Promise<boolean> {
  const waited = AbortSignal.timeout(FED_WITHIN_MS);
  await once(stream, "readable", { signal: waited }).catch(() => undefined);
  const fed = stream.read() !== null;
  stream.destroy();
  return fed;
}

/** The block for programs that a file holds as JSON. @throws ProblemError BAD_REQUEST */
export async function payloadOf(path: string | undefined): Promise<Payload | undefined> {
  if (path === undefined) return undefined;
  const text = await readText(path);
  try {
    // The server checks its shape.
    return JSON.parse(text) as Payload;
  } catch (cause) {
    throw new ProblemError("BAD_REQUEST", `${path} is no JSON: ${(cause as Error).message}`, {
      next: 'write {"kind": "build.result", "data": {…}}',
      cause,
    });
  }
}

interface Written {
  readonly text: string;
  /** Alone in a folder of its own. */
  readonly file: string;
}

async function writtenIn(editor: string): Promise<Written> {
  const file = join(await mkdtemp(join(tmpdir(), "gridpost-")), "message.md");
  await writeFile(file, "", { mode: 0o600 });
  // An editor may be a command with options, such as `code --wait`.
  const { status } = spawnSync("sh", ["-c", `${editor} "$1"`, "sh", file], { stdio: "inherit" });
  const text = await readFile(file, "utf8");
  if (status === 0 && text.trim() !== "") return { text, file };
  await rm(dirname(file), { recursive: true, force: true });
  if (status !== 0)
    throw new ProblemError("BAD_REQUEST", `${editor} ended with code ${status}: nothing was sent`);
  throw new ProblemError("BAD_REQUEST", "nothing was written, and nothing sent", {
    next: "give an empty message as --body ''",
  });
}
