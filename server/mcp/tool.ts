import type { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import type { CallToolResult } from "@modelcontextprotocol/sdk/types.js";
import type { z } from "zod";
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

/** A tool: its input schema refuses unknown arguments, its answer is sent as compact JSON. */
export interface Tool<C, S extends z.ZodObject = z.ZodObject> {
  readonly name: string;
  /** Under 300 characters: every agent pays for it in every session. */
  readonly description: string;
  readonly input: S;
  readonly run: (args: z.output<S>, call: C) => Promise<unknown>;
}

/** Keeps the type of the arguments while tools of one kind of call are listed together. */
export const toolsFor =
  <C>() =>
  <S extends z.ZodObject>(tool: Tool<C, S>): Tool<C> =>
    // The SDK parses the arguments by `input` before `run` gets them.
    tool as unknown as Tool<C>;

export type OnFault = (error: unknown, tool: string) => void;

/** Registers a tool; what it throws becomes an error answer that says what to do next. */
export function registerTool<C>(
  server: McpServer,
  tool: Tool<C>,
  context: { readonly call: () => Promise<C>; readonly onFault: OnFault },
): void {
  const { name, description, input, run } = tool;
  server.registerTool(
    name,
    { description, inputSchema: input },
    async (args): Promise<CallToolResult> => {
      try {
        return {
          content: [{ type: "text", text: JSON.stringify(await run(args, await context.call())) }],
        };
      } catch (error) {
        const problem = error instanceof ProblemError ? error : toProblemError(error);
        if (problem.status >= 500) context.onFault(error, name);
        return { isError: true, content: [{ type: "text", text: JSON.stringify(brief(problem)) }] };
      }
    },
  );
}

const MAX_DETAILS = 5;

/** The problem with few details: an agent reads it to decide, not to archive. */
function brief(problem: ProblemError): Record<string, unknown> {
  const { code, message, details, next } = problem.toProblem();
  return {
    code,
    message,
    ...(details.length === 0 ? {} : { details: details.slice(0, MAX_DETAILS) }),
    ...(details.length > MAX_DETAILS ? { moreDetails: details.length - MAX_DETAILS } : {}),
    ...(next === undefined ? {} : { next }),
  };
}
