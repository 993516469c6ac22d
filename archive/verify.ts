import { ProblemError } from "../contract/problem.ts";
import type { LoggedEvent } from "../storage/log.ts";
import { CatFile } from "./cat-file.ts";
import { CHAIN_START, nextChain } from "./chain.ts";
import { readSeal, type Seal } from "./commit.ts";
import type { Fault } from "../contract/fault.ts";
import { FaultFound } from "./fault.ts";
import { BRANCH } from "./fast-import.ts";
import { gitIn } from "./git.ts";
import { type CommittedBatch, historyOf } from "./history.ts";
import { changeEntry, contentHash } from "./readable.ts";
import { KnownKeys } from "./signatures.ts";
import { checkSegment, type Place } from "./verify-segment.ts";
import { firstDifference, refuseDirtyTree } from "./verify-tree.ts";

export interface VerifyOptions {
  /** A repository or a clone of one, with or without a working tree. */
  readonly folder: string;
  /** What it must be; found out when left out. */
  readonly repository?: string;
  /** A head that the auditor kept: the history must contain it. */
  readonly since?: string;
  /** The keys of the journal: filled by its verification, and what those of a readable repository must be. */
  readonly keys?: KnownKeys;
  /** Gets the events of the journal, in order, after their segment was found good. */
  readonly onEvents?: (events: readonly LoggedEvent[]) => Promise<void>;
}

/** A commit from which on another key signs that no earlier key has signed, as after a restore. */
export interface Handover {
  readonly repository: string;
  readonly kid: string;
  readonly commit: string;
  /** The last event of the commit. */
  readonly seq: number;
}

export interface Verified {
  readonly repository: string;
  readonly head: string | null;
  readonly commits: number;
  readonly lastSeq: number;
  readonly handovers: readonly Handover[];
  /** null: everything is as it was written. */
  readonly fault: Fault | null;
}

interface State extends Place {
  repository: string;
  head: string | null;
  parent: string | null;
  commits: number;
  seq: number;
  chain: string;
  handovers: Handover[];
}

/**
 * Checks chain, signatures and Git's objects of one repository, from the first commit to the last, up to the first fault.
 * @throws what `onEvents` does
 */
export async function verifyRepository(options: VerifyOptions): Promise<Verified> {
  const { folder, repository = "" } = options;
  const state: State = {
    repository,
    head: null,
    parent: null,
    commits: 0,
    seq: 0,
    chain: CHAIN_START,
    handovers: [],
  };
  const done = (fault: Fault | null): Verified => ({
    repository: state.repository,
    head: state.head,
    commits: state.commits,
    lastSeq: state.seq,
    handovers: state.handovers,
    fault,
  });
  try {
    await check(options, state);
    return done(null);
  } catch (error) {
    // What kept whoever gets the events from storing them, such as a full disk, is no fault of the archive.
    if (error instanceof ProblemError && error.code !== "INTERNAL") throw error;
    const where = error instanceof FaultFound ? error.where : {};
    const problem = error instanceof Error ? error.message : String(error);
    const empty = { commit: null, file: null, line: null };
    return done({ ...empty, ...where, repository: state.repository || folder, problem });
  }
}

async function check(options: VerifyOptions, state: State): Promise<void> {
  const { folder, since } = options;
  await refuseDirtyTree(folder);
  state.head = await headOf(folder);
  if (state.head !== null) await checkHistory(options, state, state.head);
  await checkObjects(folder);
  if (since !== undefined) await checkSince(folder, since, state.head);
}

async function headOf(folder: string): Promise<string | null> {
  const format = "--format=%(objectname)";
  return (await gitIn(folder).raw(["for-each-ref", format, BRANCH])).trim() || null;
}

async function checkHistory(options: VerifyOptions, state: State, head: string): Promise<void> {
  const objects = new CatFile(options.folder);
  const keys = options.keys ?? new KnownKeys();
  try {
    for await (const batch of historyOf(options.folder, head)) {
      const seal = readSeal(batch.message);
      if (seal === undefined) throw await foreign(batch, objects);
      checkPlace(seal, batch, state);
      const before = state.chain;
      if (seal.repository === "journal")
        await checkJournal({ batch, objects, keys, state, options });
      else await checkReadable({ batch, objects, keys, state, options });
      const { commit } = batch;
      const { repository, kid, to: seq } = seal;
      within(commit, () => {
        if (state.chain !== seal.chain) throw new FaultFound("the chain does not fit the files");
        if (state.seq > seal.to || (seal.repository === "journal" && state.seq !== seal.to))
          throw new FaultFound(`it says that it ends at event ${seal.to}`);
        if (before === state.chain) throw new FaultFound("it changes nothing");
        if (keys.check(seal, state.parent)) state.handovers.push({ repository, kid, commit, seq });
      });
      state.seq = seal.to;
      state.parent = commit;
      state.commits += 1;
    }
  } finally {
    await objects.close();
  }
}

/** What a commit without a seal did, as far as it can be said. */
async function foreign({ commit, changes }: CommittedBatch, objects: CatFile): Promise<FaultFound> {
  const said = "this commit was not made by the server";
  const [change] = changes;
  if (change === undefined) return new FaultFound(said, { commit });
  const { kind, path: file, before, object } = change;
  if (kind !== "M") {
    const did = kind === "D" ? "removed" : "added";
    return new FaultFound(`the file was ${did}: ${said}`, { commit, file });
  }
  const old = await readFile(objects, { commit, file, object: before });
  const now = await readFile(objects, { commit, file, object });
  const line = firstDifference(old.toString(), now.toString());
  return new FaultFound(`the line was changed: ${said}`, { commit, file, line });
}

function checkPlace(seal: Seal, { commit, parents }: CommittedBatch, state: State): void {
  state.repository ||= seal.repository;
  if (seal.repository !== state.repository)
    throw new FaultFound(`this commit belongs to ${seal.repository}`, { commit });
  if (parents.length > 1 || (parents[0] ?? null) !== state.parent)
    throw new FaultFound("this commit does not follow the one before", { commit });
}

interface Step {
  readonly batch: CommittedBatch;
  readonly objects: CatFile;
  readonly keys: KnownKeys;
  readonly state: State;
  readonly options: VerifyOptions;
}

async function checkJournal(step: Step): Promise<void> {
  const { batch, objects, keys, state, options } = step;
  const { commit, changes } = batch;
  for (const { kind, mode, path, object } of changes) {
    if (kind === "D") throw new FaultFound("the segment was removed", { commit, file: path });
    if (kind !== "A") throw new FaultFound("the segment was edited", { commit, file: path });
    if (mode !== "100644" || !path.startsWith("segments/"))
      throw new FaultFound("this is no file of a journal", { commit, file: path });
    const content = await readFile(objects, { commit, file: path, object });
    const segment = within(commit, () => checkSegment(path, content.toString(), state));
    within(commit, () => {
      for (const { type, body } of segment.events)
        if (type === "signing_key.published") keys.addEvent(body);
    });
    state.seq = segment.seq;
    state.chain = segment.chain;
    await options.onEvents?.(segment.events);
  }
}

async function checkReadable(step: Step): Promise<void> {
  const { batch, objects, keys, state, options } = step;
  const { commit, changes } = batch;
  for (const { kind, mode, path, object } of changes) {
    if (kind === "D") throw new FaultFound("the file was removed", { commit, file: path });
    if (mode !== "100644") throw new FaultFound("this is no plain file", { commit, file: path });
    const content = await readFile(objects, { commit, file: path, object });
    const text = content.toString();
    if (options.keys === undefined) within(commit, () => keys.addFile(path, text));
    else if (!keys.hasFile(path, text))
      throw new FaultFound("this key is not in the journal", { commit, file: path });
    state.chain = nextChain(state.chain, changeEntry(path, contentHash(content)));
  }
}

async function readFile(
  objects: CatFile,
  { object, ...where }: { readonly commit: string; readonly file: string; readonly object: string },
): Promise<Buffer> {
  try {
    return await objects.read(object);
  } catch (error) {
    throw new FaultFound(error instanceof Error ? error.message : String(error), where);
  }
}

/** Adds the commit to whatever is found. */
function within<T>(commit: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof FaultFound)
      throw new FaultFound(error.message, { commit, ...error.where });
    throw error;
  }
}

async function checkObjects(folder: string): Promise<void> {
  await gitIn(folder)
    .raw(["fsck", "--full", "--strict", "--no-dangling", "--no-progress"])
    .catch((error: unknown) => {
      const [first = "git fsck failed"] = String(
        error instanceof Error ? error.message : error,
      ).split("\n");
      throw new FaultFound(`Git's objects are damaged: ${first}`);
    });
}

async function checkSince(folder: string, since: string, head: string | null): Promise<void> {
  const rewritten = new FaultFound(
    `the history was rewritten: it does not contain the head ${since} that was kept`,
  );
  if (head === null) throw rewritten;
  const base = await gitIn(folder)
    .raw(["merge-base", since, head])
    .catch(() => "");
  const full = await gitIn(folder)
    .raw(["rev-parse", "--verify", "--quiet", `${since}^{commit}`])
    .catch(() => "");
  if (base === "" || base.trim() !== full.trim()) throw rewritten;
}
