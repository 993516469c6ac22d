import { type McpServer, ResourceTemplate } from "@modelcontextprotocol/sdk/server/mcp.js";
import type { ReadResourceResult } from "@modelcontextprotocol/sdk/types.js";
import { ProblemError } from "../../contract/problem.ts";
import type { McpCall } from "./tool.ts";

type Variables = Record<string, string | string[]>;
/** The call for the project that a resource's `?project=` names, or for the connection's own. */
export type CallFor = (project: string | null) => Promise<McpCall>;

interface Listed {
  readonly name: string;
  readonly uri: string;
  readonly description: string;
  readonly read: (call: McpCall, variables: Variables) => Promise<unknown>;
}

const text = (value: string | string[] | undefined): string => String(value ?? "");

const resources: readonly Listed[] = [
  {
    name: "inbox",
    uri: "resource://inbox/{agent}",
    description: "The newest messages of the connection's own agent",
    read: ({ client, project, agent }, variables) => {
      const asked = text(variables["agent"]);
      if (agent === null || asked.toLowerCase() !== agent.toLowerCase())
        throw new ProblemError("FORBIDDEN", `the inbox of ${asked} is not this connection's`, {
          next:
            agent === null ? "bind the connection to an agent" : `read resource://inbox/${agent}`,
        });
      return client.mailbox.inbox({ params: { project } });
    },
  },
  {
    name: "thread",
    uri: "resource://thread/{id}",
    description: "A thread that the connection's agent sees",
    read: ({ client, project }, variables) =>
      client.mailbox.thread({ params: { project, thread: text(variables["id"]) } }),
  },
  {
    name: "agents",
    uri: "resource://agents",
    description: "The agents of the project",
    read: ({ client, project }) =>
      client.mailbox.agents({ params: { project }, query: { limit: 500 } }),
  },
  {
    name: "leases",
    uri: "resource://leases",
    description: "The leases that are held in the project",
    read: ({ client, project }) =>
      client.reservations.leases({ params: { project }, query: { limit: 500 } }),
  },
];

/** Registers the readable resources, each also with `?project=`. */
export function registerResources(server: McpServer, callFor: CallFor): void {
  for (const { name, uri, description, read } of resources) {
    const config = { description, mimeType: "application/json" };
    const answer = async (url: URL, variables: Variables): Promise<ReadResourceResult> =>
      contents(url, await read(await callFor(url.searchParams.get("project")), variables));
    // The SDK matches a template with a query only when the query is there, hence both.
    const withProject = new ResourceTemplate(`${uri}{?project}`, { list: undefined });
    server.registerResource(`${name}-of-project`, withProject, config, answer);
    if (uri.includes("{")) {
      const template = new ResourceTemplate(uri, { list: undefined });
      server.registerResource(name, template, config, answer);
    } else {
      server.registerResource(name, uri, config, (url) => answer(url, {}));
    }
  }
}

const contents = (url: URL, value: unknown): ReadResourceResult => ({
  contents: [{ uri: url.href, mimeType: "application/json", text: JSON.stringify(value) }],
});
