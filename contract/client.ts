import { z } from "zod";
import type { DomainContract, Endpoint, EndpointOutput, EndpointRequest } from "./endpoint.ts";
import { contract, type Contract } from "./index.ts";
import { ProblemError } from "./problem-error.ts";
import { type CallOptions, type ClientOptions, type Parts, send } from "./transport.ts";

export { type ClientOptions, UnreachableError } from "./transport.ts";

type Call<E extends Endpoint> = keyof EndpointRequest<E> extends never
  ? (request?: Record<string, never>, options?: CallOptions) => Promise<EndpointOutput<E>>
  : (request: EndpointRequest<E>, options?: CallOptions) => Promise<EndpointOutput<E>>;

type DomainClient<C extends DomainContract> = { readonly [K in keyof C]: Call<C[K]> };

/** One function per endpoint, typed by the contract; replies are parsed leniently (unknown fields are dropped). */
export type Client = { readonly [D in keyof Contract]: DomainClient<Contract[D]> };

async function request(
  target: { readonly options: ClientOptions; readonly endpoint: Endpoint },
  parts: Parts,
  call: CallOptions,
): Promise<unknown> {
  const { endpoint, options } = target;
  const sent = await send({ options, route: endpoint }, parts, call);
  if (endpoint.download === true) return sent;
  const answer = endpoint.response.safeParse(sent);
  if (answer.success) return answer.data;
  throw new ProblemError(
    "INTERNAL",
    `this version does not understand the answer of ${endpoint.method} ${endpoint.path}: ${z.prettifyError(answer.error)}`,
    { cause: answer.error },
  );
}

/** Builds the client from the contract alone. */
export function createClient(options: ClientOptions): Client {
  const domains = Object.entries(contract).map(([domain, endpoints]) => [
    domain,
    Object.fromEntries(
      Object.entries<Endpoint>(endpoints).map(([name, endpoint]) => [
        name,
        (parts: Parts = {}, call: CallOptions = {}) => request({ options, endpoint }, parts, call),
      ]),
    ),
  ]);
  // The types come from the contract that the loops above walk over.
  return Object.fromEntries(domains) as Client;
}
