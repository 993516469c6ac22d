import type { Define } from "./command.ts";

/** One word after `gridpost`; its module is loaded only when it is used. */
export interface Noun {
  readonly name: string;
  readonly summary: string;
  readonly topic: "Set up" | "Mail" | "Leases" | "Fleet" | "Measure" | "More";
  readonly load: () => Promise<Define>;
}

const inbox = () => import("./commands/inbox.ts");
const send = () => import("./commands/send.ts");
const leases = () => import("./commands/lease.ts");

/** Every word after `gridpost`, in the order of the help. */
export const NOUNS: readonly Noun[] = [
  {
    name: "up",
    summary: "Server and daemon on this machine, until Ctrl-C",
    topic: "Set up",
    load: async () => (await import("./commands/up.ts")).defineUp,
  },
  {
    name: "server",
    summary: "Run the server",
    topic: "Set up",
    load: async () => (await import("./commands/service.ts")).defineServer,
  },
  {
    name: "daemon",
    summary: "Run this machine as a node",
    topic: "Set up",
    load: async () => (await import("./commands/service.ts")).defineDaemon,
  },
  {
    name: "join",
    summary: "Register this machine's key with a server",
    topic: "Set up",
    load: async () => (await import("./commands/join.ts")).defineJoin,
  },
  {
    name: "whoami",
    summary: "Who you are and what you may do",
    topic: "Set up",
    load: async () => (await import("./commands/join.ts")).defineWhoami,
  },
  {
    name: "project",
    summary: "Projects: create, ls, show",
    topic: "Set up",
    load: async () => (await import("./commands/project.ts")).defineProject,
  },
  {
    name: "agent",
    summary: "Agents: register, ls, show, retire, unretire, policy",
    topic: "Mail",
    load: async () => (await import("./commands/agent.ts")).defineAgent,
  },
  {
    name: "send",
    summary: "Send a message",
    topic: "Mail",
    load: async () => (await send()).defineSend,
  },
  {
    name: "inbox",
    summary: "List your newest messages",
    topic: "Mail",
    load: async () => (await inbox()).defineInbox,
  },
  {
    name: "read",
    summary: "Show a message and mark it read",
    topic: "Mail",
    load: async () => (await inbox()).defineRead,
  },
  {
    name: "reply",
    summary: "Reply in the thread of a message",
    topic: "Mail",
    load: async () => (await send()).defineReply,
  },
  {
    name: "ack",
    summary: "Accept responsibility for a message",
    topic: "Mail",
    load: async () => (await inbox()).defineAck,
  },
  {
    name: "thread",
    summary: "Show a thread, or list them; digest, export, follow, mute, unfollow",
    topic: "Mail",
    load: async () => (await import("./commands/thread.ts")).defineThread,
  },
  {
    name: "receipts",
    summary: "How a message fared with each recipient",
    topic: "Mail",
    load: async () => (await inbox()).defineReceipts,
  },
  {
    name: "search",
    summary: "Search the mail that you see",
    topic: "Mail",
    load: async () => (await import("./commands/search.ts")).defineSearch,
  },
  {
    name: "watch",
    summary: "Print new mail as it comes, or run a command for each message",
    topic: "Mail",
    load: async () => (await import("./commands/watch.ts")).defineWatch,
  },
  {
    name: "group",
    summary: "Groups of agents: ls, show, create, add, remove",
    topic: "Mail",
    load: async () => (await import("./commands/group.ts")).defineGroup,
  },
  {
    name: "contact",
    summary: "Who may write to your agent: ls, request, approve, deny",
    topic: "Mail",
    load: async () => (await import("./commands/contact.ts")).defineContact,
  },
  {
    name: "reserve",
    summary: "Take a lease on file patterns or other resources",
    topic: "Leases",
    load: async () => (await import("./commands/reserve.ts")).defineReserve,
  },
  {
    name: "renew",
    summary: "Extend leases from now",
    topic: "Leases",
    load: async () => (await leases()).defineRenew,
  },
  {
    name: "release",
    summary: "Give leases back",
    topic: "Leases",
    load: async () => (await leases()).defineRelease,
  },
  {
    name: "guard",
    summary: "Git hooks that keep off what others hold: install, uninstall, check",
    topic: "Leases",
    load: async () => (await import("./commands/guard.ts")).defineGuard,
  },
  {
    name: "lease",
    summary: "Leases: ls, show, history, upgrade, downgrade, transfer, force-release, slot, repo",
    topic: "Leases",
    load: async () => (await leases()).defineLease,
  },
  {
    name: "node",
    summary: "Nodes: ls, show, drain, resume, revoke",
    topic: "Fleet",
    load: async () => (await import("./commands/node.ts")).defineNode,
  },
  {
    name: "token",
    summary: "Join tokens: create, ls, revoke; print an access token; rotate the signing key",
    topic: "Fleet",
    load: async () => (await import("./commands/token.ts")).defineToken,
  },
  {
    name: "role",
    summary: "What users may do: ls, grant, revoke",
    topic: "Fleet",
    load: async () => (await import("./commands/role.ts")).defineRole,
  },
  {
    name: "audit",
    summary: "Administrative acts and denials",
    topic: "Fleet",
    load: async () => (await import("./commands/audit.ts")).defineAudit,
  },
  {
    name: "sweep",
    summary: "Sweeps: validate, plan, run, ls, show, watch, cancel",
    topic: "Measure",
    load: async () => (await import("./commands/sweep.ts")).defineSweep,
  },
  {
    name: "cell",
    summary: "Cells: ls, run; by hand: claim, renew, complete, fail",
    topic: "Measure",
    load: async () => (await import("./commands/cell.ts")).defineCell,
  },
  {
    name: "run",
    summary: "Runs of a sweep: ls, show, logs",
    topic: "Measure",
    load: async () => (await import("./commands/run.ts")).defineRun,
  },
  {
    name: "report",
    summary: "The report of a sweep",
    topic: "Measure",
    load: async () => (await import("./commands/report.ts")).defineReport,
  },
  {
    name: "archive",
    summary: "The Git archive of record: status, verify, push, restore, redact",
    topic: "More",
    load: async () => (await import("./commands/archive.ts")).defineArchive,
  },
  {
    name: "mcp",
    summary: "Speak MCP on stdin and stdout for a coding agent",
    topic: "More",
    load: async () => (await import("./commands/mcp.ts")).defineMcp,
  },
  {
    name: "doctor",
    summary: "Find out why something does not work",
    topic: "More",
    load: async () => (await import("./commands/doctor.ts")).defineDoctor,
  },
  {
    name: "completion",
    summary: "Completion script for bash, zsh or fish",
    topic: "More",
    load: async () => (await import("./commands/completion.ts")).defineCompletion,
  },
];

/** Another word for a noun, and the verb that it means when it stands alone. */
export const ALIASES: Readonly<Record<string, { readonly noun: string; readonly verb: string }>> = {
  leases: { noun: "lease", verb: "ls" },
};
