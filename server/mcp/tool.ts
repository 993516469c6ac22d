import type { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { CallToolRequestSchema, type CallToolResult } from "@modelcontextprotocol/sdk/types.js";
import type { z } from "zod";
import type { Client } from "../../contract/client.ts";
import { type Problem, ProblemError } from "../../contract/problem.ts";
import { didYouMean } from "../../contract/suggest.ts";
import { ofArguments } from "../../runtime/advice.ts";
import { schemaProblems } from "../../runtime/schema-problems.ts";
import { toProblemError } from "../problems.ts";
import { wrongInput } from "../wrong-input.ts";
import type { Binding } from "./sessions.ts";

/** The connection that a tool is called on: everything a tool can do goes through `client`, with the caller's own token. */
export interface McpCall {
  readonly client: Client;
  readonly project: string;
  /** Whose files are reserved where a call names no repository. */
  readonly repo: string;
  /** The agent that the connection acts as, be it of another project; null while a user's connection is bound to none. */
  readonly bound: Binding | null;
  /** The lease session that the connection's beats keep, if it has one. */
  readonly leaseSession: string | null;
}

/** A tool as it is written: its input schema refuses unknown arguments, its answer is sent as compact JSON. */
export interface Tool<C, S extends z.ZodObject = z.ZodObject> {
  readonly name: string;
  /** Under 300 characters: every agent pays for it in every session. */
  readonly description: string;
  readonly input: S;
  /** Arguments that mean nothing here: taken all the same, and named in the answer. */
  readonly ignores?: readonly string[];
  readonly run: (args: z.output<S>, call: C) => Promise<unknown>;
}

/** Keeps the type of the arguments while tools of one kind of call are listed together. */
export const toolsFor =
  <C>() =>
  <S extends z.ZodObject>(tool: Tool<C, S>): Tool<C> =>
    // What is handed to `run` was parsed by `input`.
    tool as unknown as Tool<C>;

export type OnFault = (error: unknown, tool: string) => void;

/** Puts what a problem says to do next into words for the client. */
export type Advise = (next: string) => Promise<string>;

interface ToolContext<C> {
  readonly call: () => Promise<C>;
  readonly advise: Advise;
  readonly onFault: OnFault;
}

type Arguments = Record<string, unknown>;

/** Registers the tools of a profile. The SDK would answer wrong names and arguments in a text of its own, so no call gets to it. */
export function registerTools<C>(
  server: McpServer,
  tools: readonly Tool<C>[],
  context: ToolContext<C>,
): void {
  const calls = new Map<string, (args: Arguments) => Promise<CallToolResult>>();
  for (const tool of tools) {
    const { name, description, input: inputSchema } = tool;
    const answer = (args: Arguments): Promise<CallToolResult> => answerOf(tool, args, context);
    server.registerTool(name, { description, inputSchema }, answer);
    calls.set(name, answer);
  }
  server.server.setRequestHandler(CallToolRequestSchema, ({ params }) => {
    const call = calls.get(params.name);
    return call === undefined
      ? refusal(brief(unknownTool(params.name, calls.keys())))
      : call(params.arguments ?? {});
  });
}

/** What a call answers; what the tool throws becomes an error that says what to do next. */
async function answerOf<C>(
  { name, input, ignores = [], run }: Tool<C>,
  args: Arguments,
  { call, advise, onFault }: ToolContext<C>,
): Promise<CallToolResult> {
  const next = `see the arguments of ${name} in tools/list`;
  try {
    const said = spoken(args);
    const ignored = ignores.filter((key) => Object.hasOwn(said, key));
    const meant = without(said, ignored);
    const parsed = input.safeParse(meant);
    if (!parsed.success) throw wrongInput(schemaProblems(input, meant, parsed.error), next);
    const answer = await run(parsed.data, await call());
    return { content: saying(answer, ignored) };
  } catch (error) {
    return refusal(await explain(error, { name, next, advise, onFault }));
  }
}

const refusal = (said: Said): CallToolResult => ({
  isError: true,
  content: [{ type: "text", text: JSON.stringify(said) }],
});

/** More than the name of any tool: the rest of a long name is not looked at. */
const LONGEST = 100;

function unknownTool(name: string, known: Iterable<string>): ProblemError {
  const asked = name.slice(0, LONGEST);
  return new ProblemError("NOT_FOUND", `there is no tool "${asked}"${didYouMean(asked, known)}`, {
    next: "see tools/list",
  });
}

/** The arguments that say something: many clients write every optional one, and null for what they leave out. */
const spoken = (args: Arguments): Arguments =>
  Object.fromEntries(Object.entries(args).filter(([, value]) => value !== null));

const without = (args: Arguments, keys: readonly string[]): object =>
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
  readonly advise: Advise;
  readonly onFault: OnFault;
}

/** The problem that an error is, as few words as a client of MCP needs. */
export async function explain(
  error: unknown,
  { name, next, advise, onFault }: Failed,
): Promise<Said> {
  const problem = error instanceof ProblemError ? error : toProblemError(error);
  if (problem.status >= 500) onFault(error, name);
  const said = brief(problem);
  if (said.next === undefined) return said;
  if (said.next.endsWith(" in /openapi.json")) return { ...ofArgumentsIn(said), next };
  return { ...said, next: await advise(said.next) };
}

const ofArgumentsIn = (said: Said): Said => ({
  ...said,
  message: ofArguments(said.message),
  details: (said.details ?? []).map((detail) =>
    typeof detail["path"] === "string" ? { ...detail, path: ofArguments(detail["path"]) } : detail,
  ),
});

const MAX_DETAILS = 5;

interface Said {
  readonly code: string;
  readonly message: string;
  readonly details?: readonly Record<string, unknown>[];
  readonly moreDetails?: number;
  readonly next?: string;
}

/** The details, or none if the message says all of the only one. */
function untold(details: Problem["details"], message: string): Problem["details"] {
  const [only, ...others] = details;
  const told =
    others.length === 0 && message === `${String(only?.["path"])}: ${String(only?.["message"])}`;
  return told ? [] : details;
}

/** The problem with few details: an agent reads it to decide, not to archive. */
function brief(problem: ProblemError): Said {
  const { code, message, next, ...problemDetails } = problem.toProblem();
  const details = untold(problemDetails.details, message);
  return {
    code,
    message,
    ...(details.length === 0 ? {} : { details: details.slice(0, MAX_DETAILS) }),
    ...(details.length > MAX_DETAILS ? { moreDetails: details.length - MAX_DETAILS } : {}),
    ...(next === undefined ? {} : { next }),
  };
}
