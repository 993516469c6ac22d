import { access, rename } from "node:fs/promises";
import { join } from "node:path";
import { ProblemError } from "../contract/problem.ts";
import { readPrivate, writePrivate } from "../runtime/private-file.ts";
import type { Log, SpoolDb } from "./ports.ts";
import { Spool } from "./spool.ts";

/** What it takes to open the spool of a data folder. */
export interface SpoolPlace {
  readonly data: string;
  readonly open: (file: string) => SpoolDb;
  readonly log: Log;
}

export interface OpenedSpool {
  readonly spool: Spool;
  /** An earlier life had a spool that is gone: whatever carries this installation's mark belongs to nobody any more. */
  readonly lost: boolean;
}

/**
 * Opens the spool. One that is damaged is set aside, and a new one begun. What marks this installation is kept beside it,
 * so that a daemon without its memory still knows its own containers.
 * @throws ProblemError as `open` and `Spool` do
 */
export async function openSpool(place: SpoolPlace): Promise<OpenedSpool> {
  const { data, log } = place;
  const mark = join(data, "install.json");
  const known = markOf(await readPrivate(mark));
  const spool = await open(place, known);
  if (known === undefined) await writePrivate(mark, JSON.stringify({ install: spool.installId }));
  const lost = known !== undefined && spool.isNew;
  if (lost) log.error("the spool of an earlier life is gone: what that had begun is given up");
  return { spool, lost };
}

function markOf(text: string | undefined): string | undefined {
  const found = /"install":"([0-9a-f-]{36})"/.exec(text ?? "");
  return found?.[1];
}

async function open({ data, open: openDb, log }: SpoolPlace, install?: string): Promise<Spool> {
  const file = join(data, "spool.db");
  try {
    return sound(openDb(file), install);
  } catch (error) {
    if (isFull(error))
      throw new ProblemError("UNAVAILABLE", `the disk of ${data} is full`, {
        next: "free space on it, or choose another folder with --data",
        cause: error,
      });
    if (!isDamage(error)) throw error;
    const aside = `${file}.damaged-${Date.now()}`;
    for (const end of ["", "-wal", "-shm"])
      if (await exists(`${file}${end}`)) await rename(`${file}${end}`, `${aside}${end}`);
    log.error({ error: String(error), aside }, "the spool is damaged and was set aside");
    return sound(openDb(file), install);
  }
}

/** @throws DamageError when a page of it is bad */
function sound(db: SpoolDb, install: string | undefined): Spool {
  try {
    const found = JSON.stringify(db.all("pragma quick_check"));
    if (found !== '[{"quick_check":"ok"}]') throw new DamageError(found.slice(0, 500));
    return new Spool(db, install);
  } catch (error) {
    db.close();
    throw error;
  }
}

/** The file is a database no more. */
class DamageError extends Error {
  readonly code = "SQLITE_CORRUPT";
}

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error ? String(error.code) : "";

const isDamage = (error: unknown): boolean => /^SQLITE_(CORRUPT|NOTADB)/.test(codeOf(error));

const isFull = (error: unknown): boolean =>
  /^(SQLITE_FULL|SQLITE_IOERR_WRITE|ENOSPC)/.test(codeOf(error));

const exists = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  );
