import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";

/** The official client, over HTTP to a server. */
export async function connectMcp(url: string, authorization: string): Promise<Client> {
  const client = new Client({ name: "test", version: "1" });
  const transport = new StreamableHTTPClientTransport(new URL(url), {
    requestInit: { headers: { authorization } },
  });
  await client.connect(transport as Transport);
  return client;
}

export interface Called {
  readonly isError: boolean;
  /** The test says what it expects to find. */
  readonly value: never;
}

/** Calls a tool; its answer is JSON or text. */
export async function callTool(client: Client, name: string, args: object): Promise<Called> {
  const answer = await client.callTool({ name, arguments: { ...args } });
  const [content] = answer.content as { text: string }[];
  const text = content?.text ?? "";
  const value = text.startsWith("{") || text.startsWith("[") ? JSON.parse(text) : text;
  return { isError: answer.isError === true, value: value as never };
}
