import { z } from "zod";
import type { EndpointOutput } from "../../../contract/endpoint.ts";
import type { mailbox } from "../../../contract/mailbox.ts";
import { ProblemError } from "../../../contract/problem.ts";
import { type Actor, actor, agentMailTool } from "./connection.ts";

const target = { project_key: z.string(), agent_name: z.string().optional() };

type Digest = Omit<
  EndpointOutput<typeof mailbox.threadDigest>,
  "thread" | "subject" | "truncated" | "lastAt"
>;

/** No model writes the summary here. */
export const SUMMARY_IGNORES = ["include_examples", "llm_mode", "llm_model", "per_thread_limit"];

const NOTHING_SAID: Digest = {
  messages: 0,
  participants: [],
  decisions: [],
  open: [],
  done: [],
  mentions: [],
  links: [],
};

/** The digest of a thread in the shape of that profile. */
function summaryOf(thread: string, digest: Digest) {
  const lines = (said: readonly { text: string }[]): string[] => said.map(({ text }) => text);
  return {
    thread_id: thread,
    summary: {
      participants: digest.participants,
      key_points: lines(digest.decisions),
      action_items: lines(digest.open),
      done: lines(digest.done),
      mentions: digest.mentions.map(({ agent, count }) => ({ name: agent, count })),
      references: digest.links,
      total_messages: digest.messages,
    },
  };
}

const threadSummary = async ({ client, project }: Actor, thread: string) =>
  summaryOf(thread, await client.mailbox.threadDigest({ params: { project, thread } }));

/** The summary of a thread in which nobody need have written yet. */
export const comingThread = (me: Actor, thread: string) =>
  threadSummary(me, thread).catch((error: unknown) => {
    if (error instanceof ProblemError && error.code === "NOT_FOUND")
      return summaryOf(thread, NOTHING_SAID);
    throw error;
  });

export const threadTools = [
  agentMailTool({
    name: "search_messages",
    description: "Search the subjects and bodies that this connection's agent sees",
    input: z.strictObject({
      ...target,
      query: z.string(),
      limit: z.int().min(1).max(100).default(20),
    }),
    run: async ({ project_key, agent_name, query: q, limit }, connection) => {
      const { client, project } = await actor(connection, project_key, agent_name);
      const { results } = await client.mailbox.search({ params: { project }, query: { q, limit } });
      return results.map(({ id, thread, from, subject, snippet, sentAt }) => ({
        id,
        thread_id: thread,
        from,
        subject,
        snippet,
        created_ts: sentAt,
      }));
    },
  }),
  agentMailTool({
    name: "summarize_thread",
    description: "Who takes part in a thread, what was decided, what is open and done",
    input: z.strictObject({ ...target, thread_id: z.string() }),
    ignores: SUMMARY_IGNORES,
    run: async ({ project_key, agent_name, thread_id }, connection) =>
      threadSummary(await actor(connection, project_key, agent_name), thread_id),
  }),
];
