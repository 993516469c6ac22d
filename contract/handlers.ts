import type { DomainContract, Endpoint, EndpointInput, EndpointReply } from "./endpoint.ts";
import type { Scope } from "./scopes.ts";

/** Who calls, as proved by the token of the request; never taken from a body. */
export interface Principal {
  /** `user:anna`, `agent:default/blue`, `node:n1`. */
  readonly id: string;
  readonly kind: "user" | "agent" | "node";
  /** The part after the kind, for an agent without its project. */
  readonly name: string;
  /** The project of an agent; null for users and nodes. */
  readonly project: string | null;
  /** The user that acts as this agent, when delegated. */
  readonly act: string | null;
  /** The `actor` of events: `id`, or `user:anna>agent:default/blue` when delegated. */
  readonly actor: string;
  /** The scopes held for the project of this request (or on the server, for a path without a project). */
  readonly scopes: ReadonlySet<Scope>;
}

/** What makes a POST safe to repeat; null when the client sent no key. */
export interface Idempotency {
  readonly key: string;
  /** `METHOD /path` of the endpoint. */
  readonly endpoint: string;
  /** SHA-256 of its address and its body, as they came. */
  readonly hash: string;
}

export interface CallContext {
  /** The caller; on a `public` endpoint an anonymous principal with no scopes is never made: `principal` is then null. */
  readonly principal: Principal;
  readonly idempotency: Idempotency | null;
  /** Fires when the client goes away: ends a long poll. */
  readonly signal: AbortSignal;
}

export type Handler<E extends Endpoint> = (
  input: EndpointInput<E> &
    (E["scope"] extends "public" ? Omit<CallContext, "principal"> : CallContext),
) => Promise<EndpointReply<E>>;

/** One handler for each endpoint of a domain: a missing one does not compile. */
export type Handlers<C extends DomainContract> = { readonly [K in keyof C]: Handler<C[K]> };
