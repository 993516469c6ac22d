import { readFile, writeFile } from "node:fs/promises";
import { basename, join, parse } from "node:path";
import { ProblemError } from "../contract/problem-error.ts";
import { makeFolders } from "../runtime/folders.ts";
import type { Answer, Api } from "./api.ts";
import { unreadable } from "./arguments.ts";

interface LocalFile {
  readonly name: string;
  readonly content: Uint8Array;
}

/** Reads the files to attach before anything is sent. @throws ProblemError BAD_REQUEST for one that cannot be read */
export const readAttachments = (paths: readonly string[] = []): Promise<LocalFile[]> =>
  Promise.all(
    paths.map(async (path) => ({
      name: basename(path),
      content: await readFile(path).catch((cause: unknown) => {
        throw unreadable(path, cause);
      }),
    })),
  );

const UPLOAD_MS = 300_000;

/** Uploads files and gives what a message refers to them by; undefined when there are none. */
export async function upload(
  api: Api,
  project: string,
  files: readonly LocalFile[],
): Promise<{ sha256: string; name: string }[] | undefined> {
  if (files.length === 0) return undefined;
  return Promise.all(
    files.map(async ({ name, content }) => {
      const route = "PUT /v1/projects/:project/attachments";
      const request = { params: { project }, content };
      const { sha256 } = await api(route, request, { timeoutMs: UPLOAD_MS });
      return { sha256, name };
    }),
  );
}

type Message = Answer<"GET /v1/projects/:project/messages/:message">;

export interface SaveTo {
  readonly api: Api;
  readonly project: string;
  readonly folder: string;
}

/** A name for each file, all different: the second `run.csv` is `run-2.csv`. One whose name is a folder's is called by its hash. */
export function fileNames(
  attachments: readonly { readonly name: string; readonly sha256: string }[],
): string[] {
  const taken = new Set<string>();
  return attachments.map((attachment) => {
    const base = basename(attachment.name);
    const { name, ext } = parse(/^\.{0,2}$/.test(base) ? attachment.sha256 : base);
    let unique = `${name}${ext}`;
    // Some file systems do not tell A from a.
    for (let n = 2; taken.has(unique.toLowerCase()); n += 1) unique = `${name}-${n}${ext}`;
    taken.add(unique.toLowerCase());
    return unique;
  });
}

function unwritable(path: string, cause: unknown): ProblemError {
  const there = cause instanceof Error && "code" in cause && cause.code === "EEXIST";
  const why = there ? "there is a file of this name already" : String(cause);
  const next = "save into an empty folder";
  return new ProblemError("BAD_REQUEST", `cannot write ${path}: ${why}`, { next, cause });
}

/** Writes the files of a message into a folder; one that is there already is left alone. */
export async function saveAttachments(
  { api, project, folder }: SaveTo,
  { attachments }: Message,
): Promise<string[]> {
  await makeFolders(folder, 0o777);
  const names = fileNames(attachments);
  return Promise.all(
    attachments.map(async ({ sha256 }, i) => {
      const path = join(folder, names[i] ?? sha256);
      const { content } = await api(
        "GET /v1/projects/:project/attachments/:sha256",
        { params: { project, sha256 } },
        { download: true, timeoutMs: UPLOAD_MS },
      );
      await writeFile(path, content, { flag: "wx" }).catch((cause: unknown) => {
        throw unwritable(path, cause);
      });
      return path;
    }),
  );
}
