import { z } from "zod";
import type { Client } from "../../../contract/client.ts";
import { Name } from "../../../contract/ids.ts";
import { ProblemError } from "../../../contract/problem.ts";
import { sha256 } from "../../../contract/cell/cell-id.ts";
import type { Binding } from "../sessions.ts";
import { type Tool, toolsFor } from "../tool.ts";

/** A connection in the agent-mail profile. */
export interface Connection {
  readonly principal: string;
  /** As the connection's own principal. */
  readonly own: Client;
  /** As an agent that the principal owns, or is. @throws ProblemError FORBIDDEN, AGENT_NOT_FOUND */
  as(binding: Binding): Promise<Client>;
  /** The agent that the connection acts as: its own, or the one that it was bound to. */
  bound(): Promise<Binding | null>;
  bind(binding: Binding): Promise<void>;
  readonly leaseSession: string | null;
}

/** Whom a tool acts as. */
export interface Actor extends Binding {
  readonly client: Client;
}

/** What every tool of that profile takes: the form of answers, and a secret that the connection's token stands for. */
const IGNORED = ["format", "registration_token"];

export const agentMailTool = <S extends z.ZodObject>(tool: Tool<Connection, S>): Tool<Connection> =>
  toolsFor<Connection>()({ ...tool, ignores: [...(tool.ignores ?? []), ...IGNORED] });

/** Several texts; one may stand for a list of one. */
export const texts = z.union([z.string().transform((text) => [text]), z.array(z.string())]);

const MAX_NAME = 64;
const HASH = 8;

/**
 * The project of an agent-mail key: a name stands for itself; an absolute path becomes a stable slug, its lower-case
 * parts joined by `-`, ended by a hash unless the slug leads back to no other path than this one.
 */
export function projectOf(key: string): string {
  if (Name.safeParse(key).success) return key;
  if (!/^(\/|[A-Za-z]:[\\/])/.test(key))
    throw new ProblemError(
      "BAD_REQUEST",
      `"${key}" is neither an absolute path nor a project's name`,
      {
        next: "give the absolute path of the working folder",
      },
    );
  const folder = key.replace(/(?<=.)[\\/]$/, "");
  const slug =
    folder
      .toLowerCase()
      .match(/[a-z0-9]+/g)
      ?.join("-") ?? "";
  if (slug.length <= MAX_NAME && folder === `/${slug.replaceAll("-", "/")}` && slug !== "")
    return slug;
  const end = slug.slice(-(MAX_NAME - HASH - 1)).replace(/^-/, "");
  return [end, sha256(folder).slice(0, HASH)].filter((part) => part !== "").join("-");
}

/** What a call says of whom it is by. */
interface Named {
  readonly project: string;
  readonly agent: string | undefined;
}

/** Identity comes from the connection: a name or project that says otherwise is an error. @throws ProblemError FORBIDDEN */
export function refuseOther(bound: Binding, { project, agent }: Named): void {
  if (bound.project !== project)
    throw new ProblemError(
      "FORBIDDEN",
      `this connection works in project ${bound.project}, not in ${project}`,
      {
        next: `write ${bound.project} as its key, or connect anew: gridpost mcp --profile agent-mail --project ${project}`,
      },
    );
  if (agent !== undefined && agent.toLowerCase() !== bound.agent.toLowerCase())
    throw new ProblemError(
      "FORBIDDEN",
      `this connection is ${bound.agent}; it cannot act as ${agent}`,
      {
        next: `leave the name out or write ${bound.agent}`,
      },
    );
}

/** The agent that a tool acts as. @throws ProblemError FORBIDDEN */
export async function actor(
  connection: Connection,
  projectKey: string,
  name?: string,
): Promise<Actor> {
  const bound = await connection.bound();
  if (bound === null)
    throw new ProblemError("FORBIDDEN", "this connection is not bound to an agent yet", {
      next: "call macro_start_session or register_agent first",
    });
  refuseOther(bound, { project: projectOf(projectKey), agent: name });
  return { ...bound, client: await connection.as(bound) };
}
