import type { Endpoint, EndpointOutput, EndpointRequest } from "../contract/endpoint.ts";
import type { Contract } from "../contract/index.ts";
import { type CallOptions, type ClientOptions, type Parts, send } from "../contract/transport.ts";

/** The endpoints of a domain by method and path instead of by name. */
type RoutesOf<D> = {
  [
    K in keyof D as D[K] extends { method: infer M extends string; path: infer P extends string }
      ? `${M} ${P}`
      : never
  ]: D[K];
};

type Intersection<U> = (U extends unknown ? (one: U) => void : never) extends (all: infer I) => void
  ? I
  : never;

type Routes = Intersection<{ [D in keyof Contract]: RoutesOf<Contract[D]> }[keyof Contract]>;

/** `GET /v1/whoami`: method and path of an endpoint of the contract. */
export type RouteName = keyof Routes;

type EndpointAt<N extends RouteName> = Extract<Routes[N], Endpoint>;

export type Request<N extends RouteName> = EndpointRequest<EndpointAt<N>>;
export type Answer<N extends RouteName> = EndpointOutput<EndpointAt<N>>;

export interface ApiCallOptions extends CallOptions {
  /** For a POST of the contract that is `idempotent: false`: it takes no Idempotency-Key. */
  readonly unkeyed?: true;
  /** For an endpoint whose answer is a file. */
  readonly download?: true;
}

/** A request with nothing in it may be left out. */
type Arguments<N extends RouteName> =
  object extends Request<N>
    ? [request?: Request<N>, options?: ApiCallOptions]
    : [request: Request<N>, options?: ApiCallOptions];

/**
 * Calls the server as one principal. Typed by the contract like its client, but with the contract's types only: answers
 * are taken as they are, so that a command does not wait for the schemas of every endpoint to be built.
 * @throws ProblemError as the server answers; UnreachableError; NoCredentialsError
 */
export type Api = <const N extends RouteName>(name: N, ...call: Arguments<N>) => Promise<Answer<N>>;

export function createApi(options: ClientOptions): Api {
  return async <const N extends RouteName>(
    name: N,
    ...[request, { unkeyed, download, ...call } = {}]: Arguments<N>
  ) => {
    const [method, path] = name.split(" ") as [Endpoint["method"], string];
    const route = {
      method,
      path,
      scope: "self",
      ...(unkeyed ? { idempotent: false as const } : {}),
      ...(download ? { download } : {}),
    };
    const parts: Parts = request ?? {};
    // The server's own response schema vouches for the type.
    return (await send({ options, route }, parts, call)) as Answer<N>;
  };
}
