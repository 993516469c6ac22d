import { join } from "node:path";
import type { EventBody } from "../contract/events/index.ts";
import { type LoggedEvent, parseEvent, type StoredEvent } from "../storage/log.ts";
import { entriesOf } from "./entry.ts";
import { reportEntries } from "./entry-sweep.ts";
import type { Change } from "./fast-import.ts";
import { lastEventId } from "./journal-end.ts";
import { makeSegment, segmentFolder, segmentName } from "./journal.ts";
import { readBranch } from "./git.ts";
import { forgetPlaces, placedSeq, Places, reachedHeads } from "./places.ts";
import { isoOf, jsonFile, type Plan, withFrontMatter } from "./plan.ts";
import type { ArchiveDeps, RenderedReport } from "./ports.ts";
import { chainChanges, settle } from "./readable.ts";
import { TOMBSTONE } from "./redact.ts";
import { type Head, Repository } from "./repository.ts";
import { shardOf } from "./shards.ts";

/** The journal where a project's name is asked for. */
export const JOURNAL = "";
/** More Git processes than this are not kept; the ones used longest ago end first. */
const MAX_OPEN = 16;
/** A report is tried so often before the archive goes on without it. */
const REPORT_TRIES = 3;
const ID_AT = "select id from events where seq = $1";

/** A file on its way into the repository of its project. */
interface Placed extends Change {
  readonly event: Pick<StoredEvent, "seq" | "at" | "actor">;
}

/**
 * Writes batches of events into Git: first each project's readable repository, then the journal, whose head is therefore
 * the truth about what is archived. Every repository knows from its own head what it already holds, so a repeated batch
 * changes nothing.
 */
export class Writer {
  private readonly deps: ArchiveDeps;
  private readonly repositories = new Map<string, Repository>();
  /** How often the report of a sweep could not be made. */
  private readonly unmade = new Map<string, number>();

  constructor(deps: ArchiveDeps) {
    this.deps = deps;
  }

  /** The head of a project's repository, or of the journal without a name. */
  head(project: string = JOURNAL): Promise<Head> {
    return this.repository(project).head();
  }

  /** Archives events that follow each other in the log; those that are archived already change nothing. */
  async write(events: readonly StoredEvent[]): Promise<void> {
    const { log } = this.deps;
    const placed = await placedSeq(log.query);
    const fresh = events.filter(({ seq }) => seq > placed);
    const last = fresh.at(-1);
    if (last === undefined) return;
    const places = new Places(log.query);
    const byProject = await this.placeAll(places, fresh);
    for (const [project, files] of byProject) {
      const { commit, seq } = await this.writeProject(project, files, last.seq);
      if (commit !== null) places.reached({ project, head: commit, seq });
    }
    await this.writeJournal(places, fresh);
    await log.tx(["archive"], ({ query }) => places.save(query, last.seq));
  }

  /** Whether the log has the last event of the journal in its place: the next one must follow it. */
  async continues(): Promise<boolean> {
    const { log, folder } = this.deps;
    const { seq } = await this.head();
    if (seq === 0) return true;
    const [event] = await log.query<{ id: string }>(ID_AT, [seq]);
    return event?.id === (await lastEventId(gitDirOf(folder, JOURNAL)));
  }

  /** Whether a project's repository lacks commits that it once had, as after a loss of files. */
  async hasLost(): Promise<boolean> {
    const { log, folder } = this.deps;
    for (const { project, head, seq } of await reachedHeads(log.query)) {
      if ((await readBranch(gitDirOf(folder, project))) === head) continue;
      if ((await this.head(project)).seq < seq) return true;
    }
    return false;
  }

  /** Begins again at the first event; what the repositories hold stays. */
  async startOver(): Promise<void> {
    await this.deps.log.tx(["archive"], ({ query }) => forgetPlaces(query));
  }

  async close(): Promise<void> {
    await Promise.all([...this.repositories.values()].map((one) => one.close()));
  }

  private async placeAll(
    places: Places,
    events: readonly StoredEvent[],
  ): Promise<Map<string, Placed[]>> {
    const byProject = new Map<string, Placed[]>();
    for (const event of events) {
      if (event.project === null) continue;
      if (event.type === "event.redacted") await this.hide(parseEvent(event), byProject);
      for (const plan of await this.plansOf(event)) {
        const change = await places.place(event.project, plan);
        if (change === undefined) continue;
        const files = byProject.get(event.project) ?? [];
        byProject.set(event.project, files);
        files.push({ ...change, event });
      }
    }
    return byProject;
  }

  /** Puts a tombstone in the place of a message, if the message is readable at all. */
  private async hide(event: LoggedEvent, byProject: Map<string, Placed[]>): Promise<void> {
    const { project } = event;
    if (project === null) return;
    const { message } = event.body as EventBody<"event.redacted">;
    const files = byProject.get(project) ?? [];
    const waiting = files.find(({ path }) => path.endsWith(`-${message}.md`))?.path;
    const path = waiting ?? (await this.repository(project).findFile(`-${message}.md`));
    if (path === undefined) return;
    byProject.set(project, [...files, { ...tombstone(event, path), event }]);
  }

  private async plansOf(event: StoredEvent): Promise<readonly Plan[]> {
    const plans = entriesOf(event);
    if (event.type !== "sweep.finished" || event.project === null) return plans;
    const { id } = parseEvent(event).body as EventBody<"sweep.finished">;
    const report = await this.reportOf(event.project, id);
    return report === null ? plans : [...plans, ...reportEntries(id, report)];
  }

  /** null for one that cannot be made, however often it is tried: it can be asked for later, and nothing else may wait for it. */
  private async reportOf(project: string, sweep: string): Promise<RenderedReport | null> {
    const tries = (this.unmade.get(sweep) ?? 0) + 1;
    this.unmade.set(sweep, tries);
    try {
      const report = await this.deps.report(project, sweep);
      this.unmade.delete(sweep);
      return report;
    } catch (error) {
      if (tries < REPORT_TRIES) throw error;
      this.unmade.delete(sweep);
      this.deps.onError(error);
      return null;
    }
  }

  /** Answers the head that there is then. */
  private async writeProject(project: string, files: readonly Placed[], to: number): Promise<Head> {
    const repository = this.repository(project);
    const head = await repository.head();
    const fresh = files.filter(({ event }) => event.seq > head.seq);
    const [first] = fresh;
    if (first === undefined) return head;
    const signer = this.deps.signer();
    // A clone of a readable repository must be checkable without the journal, which has the keys as events.
    const key = { path: `keys/${signer.kid}.json`, text: jsonFile({ ...signer.jwk }) };
    // A key may come back when a later one was moved away; a file that stays as it is is no change.
    const isKnown = head.kid === signer.kid || (await repository.holds(key.path));
    const changes = settle([...(isKnown ? [] : [key]), ...fresh]);
    return repository.append({
      from: first.event.seq,
      to,
      at: fresh.at(-1)?.event.at ?? first.event.at,
      actors: actorsOf(fresh.map(({ event }) => event)),
      chain: chainChanges(head.chain, changes),
      changes,
      signer,
    });
  }

  private async writeJournal(places: Places, events: readonly StoredEvent[]): Promise<void> {
    const repository = this.repository(JOURNAL);
    const head = await repository.head();
    const fresh = events.filter(({ seq }) => seq > head.seq);
    const [first] = fresh;
    const last = fresh.at(-1);
    if (first === undefined || last === undefined) return;
    const folder = segmentFolder(first.at);
    const shard = shardOf(await places.next(JOURNAL, folder));
    const { text, chain } = makeSegment(fresh, head.chain);
    const path = `${folder}/${shard}${segmentName(first.seq, last.seq)}`;
    await repository.append({
      from: first.seq,
      to: last.seq,
      at: last.at,
      actors: actorsOf(fresh),
      chain,
      changes: [{ path, text }],
      signer: this.deps.signer(),
    });
  }

  private repository(project: string): Repository {
    const known = this.repositories.get(project);
    // Looked up last, ended last.
    if (known !== undefined) this.repositories.delete(project);
    const { folder, onError } = this.deps;
    const repository =
      known ??
      new Repository({
        name: repositoryName(project),
        gitDir: gitDirOf(folder, project),
        onError,
      });
    this.repositories.set(project, repository);
    this.rest();
    return repository;
  }

  private rest(): void {
    if (this.repositories.size <= MAX_OPEN) return;
    for (const [project, repository] of [...this.repositories].slice(0, -MAX_OPEN))
      if (project !== JOURNAL) repository.rest();
  }
}

const tombstone = ({ at, actor, id, body }: LoggedEvent, path: string): Change => {
  const { message, thread, reason } = body as EventBody<"event.redacted">;
  const fields = {
    id: message,
    thread,
    redactedAt: isoOf(at),
    redactedBy: actor,
    reason,
    event: id,
  };
  return { path, text: withFrontMatter(fields, TOMBSTONE) };
};

/** How a repository is named in signatures; `''` is the journal. */
export const repositoryName = (project: string): string =>
  project === JOURNAL ? "journal" : `project/${project}`;

/** Where a repository lies; `''` is the journal. */
export const gitDirOf = (folder: string, project: string): string =>
  project === JOURNAL ? join(folder, "journal.git") : join(folder, "projects", `${project}.git`);

const actorsOf = (events: readonly Placed["event"][]): string[] => [
  ...new Set(events.map(({ actor }) => actor)),
];
