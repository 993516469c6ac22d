import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { inProject } from "../../runtime/advice.ts";
import { agentTools } from "./agent-mail/agents.ts";
import { type Connection, projectOf } from "./agent-mail/connection.ts";
import { contactTools } from "./agent-mail/contacts.ts";
import { inboxTools } from "./agent-mail/inbox.ts";
import { macroTools } from "./agent-mail/macros.ts";
import { messageTools } from "./agent-mail/messages.ts";
import { reservationTools } from "./agent-mail/reservations.ts";
import { threadTools } from "./agent-mail/threads.ts";
import { claimTools } from "./claim-tools.ts";
import { leaseTools } from "./lease-tools.ts";
import { mailTools } from "./mail-tools.ts";
import { registerResources } from "./resources.ts";
import { sweepTools } from "./sweep-tools.ts";
import { type Advise, type McpCall, type OnFault, registerTools, type Tool } from "./tool.ts";

const instructionsOf = (reading: string): string =>
  `Gridpost: mail, leases and benchmark sweeps. ${reading} ` +
  "Reserve files before you change them and release them after. Errors say in `next` what to do.";

/** What an agent is told when it connects, with the names of the tools that its profile has. */
const INSTRUCTIONS = {
  default: instructionsOf(
    "First `inbox` {`after`: 0, `unread`: true}; keep its `next` as the `after` of the next call, which is due at once while it says `more`.",
  ),
  "agent-mail": instructionsOf(
    "Begin with `macro_start_session`, which shows the newest mail only. First `fetch_inbox` {`after_seq`: 0, `unread_only`: true}; keep the highest `seq` as the `after_seq` of the next call, until nothing comes.",
  ),
};

/** The calls of each profile that do what a command does which a problem may name. */
const CALLS: Readonly<Record<keyof typeof INSTRUCTIONS, Readonly<Record<string, string>>>> = {
  default: {
    inbox: "`inbox`",
    thread: "`thread`",
    "sweep ls": '`sweep` {`action`: "list"}',
    "agent ls": "resource://agents",
    "lease ls": "resource://leases",
  },
  "agent-mail": {
    inbox: "`fetch_inbox`",
    "contact request": "`request_contact`",
    "agent ls": "resource://agents",
    "lease ls": "resource://leases",
  },
};

export interface ProfileContext {
  readonly version: string;
  readonly connection: Connection;
  /** The project of a user's connection that is bound to no agent. */
  readonly project: string;
  /** Whose files are reserved where a call names no repository. */
  readonly repo: string;
  readonly onFault: OnFault;
}

/** What a tool of the default profile acts as: the connection's agent, or the user when it has none. */
async function callFor(
  { connection, project, repo }: ProfileContext,
  asked: string | null,
): Promise<McpCall> {
  const bound = await connection.bound();
  const { leaseSession } = connection;
  const wanted = asked === null ? (bound?.project ?? project) : projectOf(asked);
  const here = bound !== null && bound.project === wanted;
  const client = here ? await connection.as(bound) : connection.own;
  return { client, project: wanted, repo, bound, leaseSession };
}

/** Advice as calls of the profile where there are such, else as commands that name the connection's project. */
const adviser =
  ({ connection, project }: ProfileContext, profile: keyof typeof CALLS): Advise =>
  async (next) => {
    const [, before = "", command = ""] = /^(|.*: )gridpost (.+?)(?: --mine)?$/.exec(next) ?? [];
    for (const [known, call] of Object.entries(CALLS[profile]))
      if (command === known || command.startsWith(`${known} `))
        return `${before}${call}${command.slice(known.length)}`;
    const named = (await connection.bound())?.project ?? project;
    return inProject(next, named === DEFAULT_PROJECT ? undefined : named);
  };

/** Which commands mean without `--project`. */
const DEFAULT_PROJECT = "default";

interface Profile<C> {
  readonly tools: readonly Tool<C>[];
  readonly call: () => Promise<C>;
}

function serverOf<C>(
  context: ProfileContext,
  profile: keyof typeof INSTRUCTIONS,
  { tools, call }: Profile<C>,
): McpServer {
  const { version, onFault } = context;
  const instructions = INSTRUCTIONS[profile];
  const server = new McpServer({ name: "gridpost", version }, { instructions });
  const advise = adviser(context, profile);
  registerTools(server, tools, { call, advise, onFault });
  registerResources(server, { call: (asked) => callFor(context, asked), advise, onFault });
  return server;
}

/** Twelve tools over the same handlers as HTTP. */
const defaultProfile = (context: ProfileContext): McpServer =>
  serverOf(context, "default", {
    tools: [...mailTools, ...leaseTools, ...claimTools, ...sweepTools],
    call: () => callFor(context, null),
  });

/** The tool names and shapes that users of MCP Agent Mail have in their prompts, over the same handlers. */
const agentMailProfile = (context: ProfileContext): McpServer =>
  serverOf(context, "agent-mail", {
    tools: [
      ...agentTools,
      ...messageTools,
      ...inboxTools,
      ...threadTools,
      ...contactTools,
      ...reservationTools,
      ...macroTools,
    ],
    call: () => Promise.resolve(context.connection),
  });

export const profiles = { default: defaultProfile, "agent-mail": agentMailProfile } as const;
