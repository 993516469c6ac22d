import type { Query } from "../storage/db.ts";
import type { Change } from "./fast-import.ts";
import type { Plan } from "./plan.ts";
import { shardOf } from "./shards.ts";

const ENTRIES = "select entries from e_archive_folders where project = $1 and folder = $2";
const BRANCH = "select path from e_archive_branches where project = $1 and kind = $2 and name = $3";
const COUNT = `insert into e_archive_folders (project, folder, entries) values ($1, $2, $3)
  on conflict (project, folder) do update set entries = excluded.entries`;
const REMEMBER = `insert into e_archive_branches (project, kind, name, path) values ($1, $2, $3, $4)
  on conflict (project, kind, name) do nothing`;
const SEQ = "select seq from e_archive_state where id = 1";
const HEADS = "select project, head, seq from e_archive_heads order by project";
const REACHED = `insert into e_archive_heads (project, head, seq) values ($1, $2, $3)
  on conflict (project) do update set head = excluded.head, seq = excluded.seq`;
const MOVE = `insert into e_archive_state (id, seq) values (1, $1)
  on conflict (id) do update set seq = excluded.seq`;

/** The last event whose places are counted. */
export async function placedSeq(query: Query): Promise<number> {
  const [row] = await query<{ seq: number }>(SEQ);
  return row?.seq ?? 0;
}

/** How far the readable repository of a project has come. */
export interface Reached {
  readonly project: string;
  /** Its newest commit. */
  readonly head: string;
  /** The last event of that commit. */
  readonly seq: number;
}

/** What the projects' repositories have held: they may hold more by now, and never less. */
export const reachedHeads = (query: Query): Promise<Reached[]> => query<Reached>(HEADS);

/** Forgets every place: the next batch is the first of the log. */
export async function forgetPlaces(query: Query): Promise<void> {
  for (const table of ["folders", "branches", "heads", "state"])
    await query(`delete from e_archive_${table}`);
}

/**
 * Gives the files of one batch their paths. Nothing is written before `save`, which the caller runs in the transaction
 * that ends the batch; until then a repeat of the batch gives the same paths.
 */
export class Places {
  private readonly query: Query;
  private readonly entries = new Map<string, Counter>();
  private readonly branches = new Map<string, Branch>();
  private readonly heads = new Map<string, Reached>();

  constructor(query: Query) {
    this.query = query;
  }

  /** The path of a planned file; undefined when it belongs to a branch that is not known. */
  async place(project: string, plan: Plan): Promise<Change | undefined> {
    const folder = await this.folderOf(project, plan);
    if (folder === undefined) return undefined;
    const inside = plan.below === undefined ? folder : `${folder}/${plan.below}`;
    const shard = plan.many ? shardOf(await this.next(project, inside)) : "";
    return { path: `${inside}/${shard}${plan.name}`, text: plan.text };
  }

  /** The place of the next entry of a folder, counted from 0. */
  async next(project: string, folder: string): Promise<number> {
    const key = `${project}\0${folder}`;
    const counter = this.entries.get(key) ?? (await this.counter(project, folder));
    this.entries.set(key, counter);
    counter.entries += 1;
    return counter.entries - 1;
  }

  /** Notes where a project's repository has come to. */
  reached(reached: Reached): void {
    this.heads.set(reached.project, reached);
  }

  /** Writes down what was given away, up to and with the event `seq`. */
  async save(query: Query, seq: number): Promise<void> {
    for (const { project, folder, entries } of this.entries.values())
      await query(COUNT, [project, folder, entries]);
    for (const { project, kind, name, path } of this.branches.values())
      await query(REMEMBER, [project, kind, name, path]);
    for (const { project, head, seq: to } of this.heads.values())
      await query(REACHED, [project, head, to]);
    await query(MOVE, [seq]);
  }

  private async folderOf(project: string, plan: Plan): Promise<string | undefined> {
    const { within, branch: name, starts = false } = plan;
    if (name === undefined) return within;
    const kind = within.split("/", 1)[0] ?? within;
    const key = `${project}\0${kind}\0${name}`;
    const known = this.branches.get(key)?.path ?? (await this.branchPath(project, kind, name));
    if (known !== undefined || !starts) return known;
    const path = `${within}/${shardOf(await this.next(project, within))}${name}`;
    this.branches.set(key, { project, kind, name, path });
    return path;
  }

  private async branchPath(
    project: string,
    kind: string,
    name: string,
  ): Promise<string | undefined> {
    const [row] = await this.query<{ path: string }>(BRANCH, [project, kind, name]);
    return row?.path;
  }

  private async counter(project: string, folder: string): Promise<Counter> {
    const [row] = await this.query<{ entries: number }>(ENTRIES, [project, folder]);
    return { project, folder, entries: row?.entries ?? 0 };
  }
}

interface Counter {
  readonly project: string;
  readonly folder: string;
  entries: number;
}

interface Branch {
  readonly project: string;
  readonly kind: string;
  readonly name: string;
  readonly path: string;
}
