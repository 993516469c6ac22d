import type { Endpoint } from "../../contract/endpoint.ts";
import { contract } from "../../contract/index.ts";

/** One endpoint of the contract with a path that reaches it. */
export interface Route {
  /** `mailbox.send`. */
  readonly name: string;
  readonly endpoint: Endpoint;
  readonly path: string;
}

const samples: Readonly<Record<string, string>> = {
  project: "default",
  principal: "user:somebody",
};

/** Every endpoint of the contract: what is added there is here at once. */
export const routes: readonly Route[] = Object.entries(contract).flatMap(([domain, endpoints]) =>
  Object.entries<Endpoint>(endpoints).map(([name, endpoint]) => ({
    name: `${domain}.${name}`,
    endpoint,
    path: endpoint.path.replaceAll(/:(\w+)/g, (_, key: string) => samples[key] ?? "sample"),
  })),
);

/** Calls a route as it stands, with a body that is as wrong as its token. */
export const call = (
  url: string,
  { endpoint, path }: Route,
  headers: Record<string, string>,
): Promise<Response> =>
  fetch(`${url}${path}`, {
    method: endpoint.method,
    headers: {
      ...headers,
      ...(endpoint.method === "GET" ? {} : { "content-type": "application/json" }),
    },
    ...(endpoint.method === "GET" ? {} : { body: '{"not": "asked for"' }),
  });
