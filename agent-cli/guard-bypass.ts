import { randomUUID } from "node:crypto";
import { appendFile, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { makeFolders } from "../runtime/folders.ts";
import type { Api, Request } from "./api.ts";

type Report = Request<"POST /v1/projects/:project/guard/bypasses">["body"];

interface Bypass {
  /** The idempotency key of its report. */
  readonly id: string;
  readonly project: string;
  readonly report: Report;
}

const folderOf = (home: string): string => join(home, "guard");
const fileOf = (home: string): string => join(folderOf(home), "bypasses.jsonl");

/** Remembers that a hook ran with the guard switched off. */
export async function noteBypass(home: string, project: string, report: Report): Promise<void> {
  const bypass: Bypass = { id: randomUUID(), project, report };
  await append(home, [bypass]);
}

/** Tells the server of every bypass that it has not heard of. What fails is kept for the next time. */
export async function reportBypasses(home: string, api: Api): Promise<void> {
  const mine = `${fileOf(home)}.${randomUUID()}`;
  try {
    await rename(fileOf(home), mine);
  } catch {
    return;
  }
  const waiting = (await readFile(mine, "utf8"))
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Bypass);
  const failed: Bypass[] = [];
  for (const bypass of waiting) {
    const { project, report, id } = bypass;
    await api(
      "POST /v1/projects/:project/guard/bypasses",
      { params: { project }, body: report },
      { idempotencyKey: id },
    ).catch(() => failed.push(bypass));
  }
  await append(home, failed);
  await rm(mine);
}

async function append(home: string, bypasses: readonly Bypass[]): Promise<void> {
  if (bypasses.length === 0) return;
  await makeFolders(folderOf(home));
  const lines = bypasses.map((bypass) => `${JSON.stringify(bypass)}\n`).join("");
  await appendFile(fileOf(home), lines, { mode: 0o600 });
}
