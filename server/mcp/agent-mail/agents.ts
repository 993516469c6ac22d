import { z } from "zod";
import type { EndpointOutput } from "../../../contract/endpoint.ts";
import type { mailbox } from "../../../contract/mailbox.ts";
import { ProblemError } from "../../../contract/problem.ts";
import { given } from "../mail-tools.ts";
import { agentMailTool, type Connection, projectOf } from "./connection.ts";

type Agent = EndpointOutput<typeof mailbox.agent>;

/** An agent in the shape of that profile. */
export const agentShape = (agent: Agent) => ({
  id: agent.name,
  name: agent.name,
  program: agent.program,
  model: agent.model,
  task_description: agent.task,
  inception_ts: agent.registeredAt,
  last_active_ts: agent.activeAt,
  project_id: agent.project,
  contact_policy: agent.policy,
});

interface Profile {
  readonly program: string;
  readonly model: string;
  readonly task_description?: string | undefined;
}

const profile = {
  program: z.string().min(1),
  model: z.string().min(1),
  task_description: z.string().optional(),
};

/** Makes the project of a key unless it exists. */
export async function ensureProject(
  { own }: Connection,
  key: string,
): Promise<{ id: string; slug: string; human_key: string; created_at: string }> {
  const name = projectOf(key);
  const project = await own.identity
    .project({ params: { project: name } })
    .catch((error: unknown) => {
      if (error instanceof ProblemError && (error.status === 404 || error.status === 403))
        return own.identity.createProject({ body: { name } });
      throw error;
    });
  return { id: name, slug: name, human_key: key, created_at: project.createdAt };
}

/** Registers an agent, or renews the profile of one that the caller owns, and binds the connection to it if it is bound to none. */
export async function register(
  connection: Connection,
  project: string,
  { name, program, model, task_description }: Profile & { name?: string | undefined },
): Promise<Agent> {
  const bound = await connection.bound();
  const known = name ?? (bound?.project === project ? bound.agent : undefined);
  const before = await find(connection, project, known);
  const profile = profileOf({ program, model, task_description }, before);
  const agent =
    before === null || isStale(before, profile, connection.principal)
      ? await connection.own.mailbox.registerAgent({
          params: { project },
          body: { ...given({ name: before?.name ?? known }), ...profile },
        })
      : before;
  // Proves the ownership of an agent that was there before: what is bound once stays bound.
  await connection.as({ project, agent: agent.name });
  if (bound === null) await connection.bind({ project, agent: agent.name });
  return agent;
}

/** What is left out stays as it was. */
const profileOf = (
  { program, model, task_description: task }: Profile,
  before: Agent | null,
): Registered => ({
  program,
  model,
  ...given({ task: task ?? before?.task ?? undefined, node: before?.node ?? undefined }),
});

interface Registered {
  readonly program: string;
  readonly model: string;
  readonly task?: string;
  readonly node?: string;
}

/** Whether the profile of an agent of the caller's says something else. */
const isStale = (agent: Agent, { program, model, task }: Registered, caller: string): boolean =>
  agent.owner === caller &&
  (agent.program !== program || agent.model !== model || agent.task !== (task ?? null));

async function find(
  { own }: Connection,
  project: string,
  name: string | undefined,
): Promise<Agent | null> {
  if (name === undefined) return null;
  return own.mailbox.agent({ params: { project, name } }).catch((error: unknown) => {
    // A name that is no name at all is explained by the registration.
    if (error instanceof ProblemError && (error.status === 404 || error.status === 400))
      return null;
    throw error;
  });
}

export const agentTools = [
  agentMailTool({
    name: "health_check",
    description: "Whether the server answers, and who this connection is",
    input: z.strictObject({}),
    run: async (_args, connection) => {
      const who = await connection.own.identity.whoami({});
      const bound = await connection.bound();
      return {
        status: "ok",
        principal: who.principal,
        agent: bound?.agent ?? null,
        version: who.server.version,
      };
    },
  }),
  agentMailTool({
    name: "ensure_project",
    description: "Make the project of an absolute path unless it exists",
    input: z.strictObject({ human_key: z.string() }),
    ignores: ["identity_mode"],
    run: ({ human_key }, connection) => ensureProject(connection, human_key),
  }),
  agentMailTool({
    name: "register_agent",
    description:
      "Register an agent of yours (generated name when none is given) and bind this connection to it",
    input: z.strictObject({ project_key: z.string(), ...profile, name: z.string().optional() }),
    ignores: ["attachments_policy"],
    run: async ({ project_key, ...wanted }, connection) =>
      agentShape(await register(connection, projectOf(project_key), wanted)),
  }),
  agentMailTool({
    name: "create_agent_identity",
    description:
      "Register a new agent, always; the connection is bound to it if it is bound to none",
    input: z.strictObject({
      project_key: z.string(),
      ...profile,
      name_hint: z.string().optional(),
    }),
    ignores: ["attachments_policy"],
    run: async ({ project_key, program, model, task_description, name_hint }, connection) => {
      const project = projectOf(project_key);
      const agent = await connection.own.mailbox.registerAgent({
        params: { project },
        body: { program, model, ...given({ name: name_hint, task: task_description }) },
      });
      if ((await connection.bound()) === null)
        await connection.bind({ project, agent: agent.name });
      return agentShape(agent);
    },
  }),
  agentMailTool({
    name: "whois",
    description: "Show an agent's profile",
    input: z.strictObject({ project_key: z.string(), agent_name: z.string() }),
    ignores: ["include_recent_commits", "commit_limit"],
    run: async ({ project_key, agent_name }, { own }) =>
      agentShape(
        await own.mailbox.agent({ params: { project: projectOf(project_key), name: agent_name } }),
      ),
  }),
];
