import { randomUUID } from "node:crypto";
import { ProblemError } from "../../contract/problem.ts";
import type { EventLog } from "../../storage/event-log.ts";

const DAY_MS = 86_400_000;
/** From the last use on, which is noted at most once a day: nearly every call only reads. */
const KEEP_MS = 7 * DAY_MS;

/** The agent that a connection acts as. */
export interface Binding {
  readonly project: string;
  readonly agent: string;
}

/** MCP sessions as rows, so that a restart of the server ends no connection. */
export interface McpSessions {
  /** Makes a session for the principal that sent `initialize`. */
  open(principal: string): Promise<string>;
  /** What the session that is used is bound to. @throws ProblemError NOT_FOUND for a session that is gone or another principal's */
  binding(id: string, principal: string): Promise<Binding | null>;
  bind(id: string, binding: Binding): Promise<void>;
  close(id: string, principal: string): Promise<void>;
}

const INSERT = "insert into e_mcp_sessions (id, principal, at) values ($1, $2, $3)";
const FORGET = "delete from e_mcp_sessions where at < $1";
const SELECT = "select project, agent, at from e_mcp_sessions where id = $1 and principal = $2";
const BIND = "update e_mcp_sessions set project = $2, agent = $3, at = $4 where id = $1";
const TOUCH = "update e_mcp_sessions set at = $2 where id = $1";
const DELETE = "delete from e_mcp_sessions where id = $1 and principal = $2";

interface SessionRow {
  readonly project: string | null;
  readonly agent: string | null;
  readonly at: number;
}

/** The sessions over the database of a log. */
export function mcpSessions(log: EventLog): McpSessions {
  return {
    open: async (principal) => {
      const id = randomUUID();
      await log.tx([`mcp:${id}`], async ({ query, now }) => {
        await query(FORGET, [now - KEEP_MS]);
        await query(INSERT, [id, principal, now]);
      });
      return id;
    },
    binding: async (id, principal) => {
      const [row] = await log.query<SessionRow>(SELECT, [id, principal]);
      if (row === undefined)
        throw new ProblemError("NOT_FOUND", "this MCP session has ended", {
          next: "begin a new one with initialize",
        });
      const { project, agent, at } = row;
      if (at <= log.now() - DAY_MS)
        await log.tx([`mcp:${id}`], async ({ query, now }) => {
          await query(TOUCH, [id, now]);
        });
      return project === null || agent === null ? null : { project, agent };
    },
    bind: (id, { project, agent }) =>
      log.tx([`mcp:${id}`], async ({ query, now }) => {
        await query(BIND, [id, project, agent, now]);
      }),
    close: (id, principal) =>
      log.tx([`mcp:${id}`], async ({ query }) => {
        await query(DELETE, [id, principal]);
      }),
  };
}
