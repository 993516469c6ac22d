import type { EventBody } from "../contract/events/index.ts";
import { ProblemError } from "../contract/problem.ts";
import type { Dialect, Query } from "../storage/db.ts";
import { visible } from "./visibility.ts";

type Attachment = NonNullable<EventBody<"message.sent">["attachments"]>[number];

/** A file to attach, as the sender names it. */
export type Attach = Pick<Attachment, "sha256" | "name">;

/** The viewers and uploaders of files. */
export interface FileReader {
  readonly project: string;
  /** The agents whose mail the caller sees. */
  readonly agents: readonly string[];
  /** The principals whose uploads the caller may use. */
  readonly uploaders: readonly string[];
}

export type StoredFile = Pick<Attachment, "size" | "type">;

/** A file that the caller uploaded or that a message which it sees carries; undefined for any other. */
export async function findFile(
  query: Query,
  dialect: Dialect,
  { project, agents, uploaders, sha256 }: FileReader & { readonly sha256: string },
): Promise<(StoredFile & { readonly name: string | null }) | undefined> {
  const [file] = await query<StoredFile & { name: string | null }>(
    `select a.size, a.type, a.name from p_attachments a join p_messages m on m.id = a.message
     where a.project = $1 and a.sha256 = $2 and ${visible("m", dialect.list("$3"))}
     union all
     select u.size, u.type, null as name from p_uploads u
     where u.project = $1 and u.sha256 = $2 and u.owner in ${dialect.list("$4")}
     limit 1`,
    [project, sha256, JSON.stringify(agents), JSON.stringify(uploaders)],
  );
  return file;
}

/** The files that a message may carry, with size and type. @throws ProblemError NOT_FOUND */
export async function attachable(
  query: Query,
  dialect: Dialect,
  message: {
    readonly project: string;
    readonly from: string;
    readonly uploaders: readonly string[];
    readonly attachments: readonly Attach[];
  },
): Promise<Attachment[]> {
  const { project, from, uploaders } = message;
  const files: Attachment[] = [];
  for (const { sha256, name } of message.attachments) {
    const file = await findFile(query, dialect, { project, agents: [from], uploaders, sha256 });
    if (file === undefined) throw noFile(sha256);
    files.push({ sha256, name, size: file.size, type: file.type });
  }
  return files;
}

/** The same for a file that nobody uploaded as for one of others. */
export const noFile = (sha256: string): ProblemError =>
  new ProblemError("NOT_FOUND", `no file ${sha256} that you uploaded or can see`, {
    details: [{ sha256 }],
    next: "upload it first",
  });
