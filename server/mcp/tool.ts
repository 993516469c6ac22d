import type { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import type { CallToolResult } from "@modelcontextprotocol/sdk/types.js";
import { z } from "zod";
import type { Client } from "../../contract/client.ts";
import { ProblemError } from "../../contract/problem.ts";
import { toProblemError } from "../problems.ts";

/** The connection that a tool is called on: everything a tool can do goes through `client`, with the caller's own token. */
export interface McpCall {
  readonly client: Client;
  readonly project: string;
  /** The agent's name; null while a user's connection is bound to none. */
  readonly agent: string | null;
  /** The lease session that the connection's beats keep, if it has one. */
  readonly leaseSession: string | null;
}

/** A tool as it is written: its input schema refuses unknown arguments, its answer is sent as compact JSON. */
export interface ToolParts<C, S extends z.ZodObject = z.ZodObject> {
  readonly name: string;
  /** Under 300 characters: every agent pays for it in every session. */
  readonly description: string;
  readonly input: S;
  /** Arguments that mean nothing here: taken all the same, and named in the answer. */
  readonly ignores?: readonly string[];
  readonly run: (args: z.output<S>, call: C) => Promise<unknown>;
}

export interface Tool<C> extends ToolParts<C> {
  /** Looks like `input` in the list of tools, but lets everything pass. */
  readonly listed: z.ZodObject;
}

/**
 * Keeps the type of the arguments while tools of one kind of call are listed together. The SDK would answer wrong
 * arguments in a text of its own, so it does not get to see that they are wrong.
 */
export const toolsFor =
  <C>() =>
  <S extends z.ZodObject>(tool: ToolParts<C, S>): Tool<C> => {
    const shown = z.toJSONSchema(tool.input, { io: "input", target: "draft-7" });
    // What `registerTool` hands to `run` it has parsed by `input`.
    return { ...(tool as unknown as ToolParts<C>), listed: z.looseObject({}).meta(shown) };
  };

export type OnFault = (error: unknown, tool: string) => void;

/** Registers a tool; what it throws becomes an error answer that says what to do next. */
export function registerTool<C>(
  server: McpServer,
  tool: Tool<C>,
  context: { readonly call: () => Promise<C>; readonly onFault: OnFault },
): void {
  const { name, description, input, listed, ignores = [], run } = tool;
  const next = `see the arguments of ${name} in tools/list`;
  server.registerTool(
    name,
    { description, inputSchema: listed },
    async (args): Promise<CallToolResult> => {
      try {
        const ignored = ignores.filter((key) => Object.hasOwn(args, key));
        const parsed = input.safeParse(without(args, ignored));
        if (!parsed.success) throw wrongArguments(parsed.error, next);
        const answer = await run(parsed.data, await context.call());
        return { content: saying(answer, ignored) };
      } catch (error) {
        const said = explain(error, { name, next, onFault: context.onFault });
        return { isError: true, content: [{ type: "text", text: JSON.stringify(said) }] };
      }
    },
  );
}

const without = (args: Record<string, unknown>, keys: readonly string[]): object =>
  Object.fromEntries(Object.entries(args).filter(([key]) => !keys.includes(key)));

/** An answer with the arguments that were ignored; beside it where it is a list. */
function saying(answer: unknown, ignored: readonly string[]): CallToolResult["content"] {
  const texts =
    ignored.length === 0
      ? [answer]
      : Array.isArray(answer)
        ? [answer, { ignored }]
        : [{ ...(answer as object), ignored }];
  return texts.map((text) => ({ type: "text", text: JSON.stringify(text) }));
}

interface Failed {
  /** Of what failed. */
  readonly name: string;
  /** What to do where the problem says no more than to look at the HTTP contract: a client of MCP has none. */
  readonly next: string;
  readonly onFault: OnFault;
}

/** The problem that an error is, as few words as a client of MCP needs. */
export function explain(error: unknown, { name, next, onFault }: Failed): Said {
  const problem = error instanceof ProblemError ? error : toProblemError(error);
  if (problem.status >= 500) onFault(error, name);
  const said = brief(problem);
  return problem.next?.endsWith(" in /openapi.json") === true ? { ...said, next } : said;
}

function wrongArguments({ issues }: z.ZodError, next: string): ProblemError {
  const details = issues.map(({ path, message }) => ({ path: path.join("."), message }));
  const [{ path, message } = { path: "", message: "wrong arguments" }] = details;
  return new ProblemError("BAD_REQUEST", path === "" ? message : `${path}: ${message}`, {
    details,
    next,
  });
}

const MAX_DETAILS = 5;

interface Said {
  readonly code: string;
  readonly message: string;
  readonly details?: readonly Record<string, unknown>[];
  readonly moreDetails?: number;
  readonly next?: string;
}

/** The problem with few details: an agent reads it to decide, not to archive. */
function brief(problem: ProblemError): Said {
  const { code, message, details, next } = problem.toProblem();
  return {
    code,
    message,
    ...(details.length === 0 ? {} : { details: details.slice(0, MAX_DETAILS) }),
    ...(details.length > MAX_DETAILS ? { moreDetails: details.length - MAX_DETAILS } : {}),
    ...(next === undefined ? {} : { next }),
  };
}
