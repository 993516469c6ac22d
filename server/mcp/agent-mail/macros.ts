import { z } from "zod";
import { agentShape, ensureProject, register } from "./agents.ts";
import { actor, agentMailTool, type Connection, projectOf, refuseOther } from "./connection.ts";
import { answerContact, requestContact } from "./contacts.ts";
import { inboxOf } from "./inbox.ts";
import { comingThread, SUMMARY_IGNORES } from "./threads.ts";
import { reservedPaths, releaseLeases, reserveInput, reservePaths } from "./reservations.ts";

const profile = {
  program: z.string().min(1),
  model: z.string().min(1),
  agent_name: z.string().optional(),
  task_description: z.string().optional(),
};
const inboxLimit = z.int().min(1).max(100).default(10);

/** Before anything is made for an agent that the connection cannot be any more. @throws ProblemError FORBIDDEN */
async function refuseAnother(
  connection: Connection,
  project: string,
  agent: string | undefined,
): Promise<void> {
  const bound = await connection.bound();
  if (bound !== null) refuseOther(bound, { project, agent });
}

const cycleTool = (name: string) =>
  agentMailTool({
    name,
    description:
      "Reserve file patterns and, with auto_release, release exactly what this call was granted",
    input: reserveInput.extend({ auto_release: z.boolean().default(false) }),
    run: async ({ project_key, agent_name, auto_release, ...wanted }, connection) => {
      const me = await actor(connection, project_key, agent_name);
      const reserved = await reservePaths(me, { ...wanted, session: connection.leaseSession });
      const ids = reserved.granted.map(({ id }) => id);
      return {
        file_reservations: reserved,
        released: auto_release ? await releaseLeases(me, ids) : null,
      };
    },
  });

export const macroTools = [
  agentMailTool({
    name: "macro_start_session",
    description:
      "Make the project, register your agent, bind this connection to it, reserve files, fetch the inbox",
    input: z.strictObject({
      human_key: z.string(),
      ...profile,
      file_reservation_paths: reservedPaths.optional(),
      file_reservation_reason: z.string().optional(),
      file_reservation_ttl_seconds: z.int().min(60).default(3_600),
      inbox_limit: inboxLimit,
    }),
    run: async (args, connection) => {
      await refuseAnother(connection, projectOf(args.human_key), args.agent_name);
      const project = await ensureProject(connection, args.human_key);
      const agent = await register(connection, project.slug, { ...args, name: args.agent_name });
      const me = await actor(connection, args.human_key, agent.name);
      const file_reservations =
        args.file_reservation_paths === undefined
          ? { granted: [], conflicts: [] }
          : await reservePaths(me, {
              paths: args.file_reservation_paths,
              ttl_seconds: args.file_reservation_ttl_seconds,
              exclusive: true,
              reason: args.file_reservation_reason,
              session: connection.leaseSession,
            });
      const { inbox, more } = await inboxOf(me, { limit: args.inbox_limit });
      const registered = agentShape(agent);
      return { project, agent: registered, file_reservations, inbox, inbox_more: more };
    },
  }),
  agentMailTool({
    name: "macro_prepare_thread",
    description: "Register your agent if need be, sum up a thread and fetch the inbox",
    input: z.strictObject({
      project_key: z.string(),
      thread_id: z.string(),
      ...profile,
      inbox_limit: inboxLimit,
      include_inbox_bodies: z.boolean().default(false),
    }),
    ignores: ["register_if_missing", ...SUMMARY_IGNORES],
    run: async (args, connection) => {
      const project = projectOf(args.project_key);
      await refuseAnother(connection, project, args.agent_name);
      const agent = await register(connection, project, { ...args, name: args.agent_name });
      const me = await actor(connection, args.project_key, agent.name);
      const { inbox, more } = await inboxOf(me, {
        limit: args.inbox_limit,
        bodies: args.include_inbox_bodies,
      });
      return {
        project: { slug: project },
        agent: agentShape(agent),
        thread: await comingThread(me, args.thread_id),
        inbox,
        inbox_more: more,
      };
    },
  }),
  cycleTool("macro_file_reservation_cycle"),
  cycleTool("macro_claim_cycle"),
  agentMailTool({
    name: "macro_contact_handshake",
    description:
      "Ask an agent to let yours write to it; auto_accept answers for an agent that you own too",
    input: z.strictObject({
      project_key: z.string(),
      requester: z.string().optional(),
      target: z.string(),
      reason: z.string().optional(),
      ttl_seconds: z.int().min(60).max(31_536_000).optional(),
      auto_accept: z.boolean().default(false),
      welcome_subject: z.string().optional(),
      welcome_body: z.string().optional(),
    }),
    // Whoever calls has registered, and the other must.
    ignores: ["register_if_missing", "program", "model", "task_description"],
    run: async (args, connection) => {
      const { project, agent, client } = await actor(connection, args.project_key, args.requester);
      const request = await requestContact(connection, {
        project_key: args.project_key,
        to_agent: args.target,
        reason: args.reason,
        ttl_seconds: args.ttl_seconds,
      });
      const response = args.auto_accept
        ? await answerContact(connection, {
            project,
            to: args.target,
            from: agent,
            accept: true,
            ttl_seconds: args.ttl_seconds,
          })
        : null;
      const welcome =
        response === null || args.welcome_subject === undefined
          ? null
          : await client.mailbox.send({
              params: { project },
              body: {
                to: [args.target],
                subject: args.welcome_subject,
                body: args.welcome_body ?? "",
              },
            });
      return { request, response, welcome_message: welcome };
    },
  }),
];
