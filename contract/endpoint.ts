import type { z } from "zod";
import type { Scope } from "./scopes.ts";

/** One HTTP call: everything that server, client and OpenAPI document derive from. */
export interface Endpoint {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** Fastify notation; every `:name` is a key of `params`. */
  readonly path: `/${string}`;
  /** One line for the OpenAPI document. */
  readonly summary: string;
  /** What the caller must hold: a scope, `self` for any valid token, `public` for none. There is no default. */
  readonly scope: Scope | "self" | "public";
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  readonly response: z.ZodType;
  /** `false` for a POST whose answer holds a secret or that changes nothing durable: it takes no Idempotency-Key. */
  readonly idempotent?: false;
  /** The request body is a file: raw bytes of any type, which the handler gets as `content`. */
  readonly upload?: true;
  /** The answer is a file: raw bytes of the type that the handler says. */
  readonly download?: true;
  /** Largest request body in bytes; the server's default is 2 MiB. */
  readonly bodyLimit?: number;
}

/** Keeps the literal types of an endpoint; the only way to declare one. */
export const defineEndpoint = <const E extends Endpoint>(endpoint: E): E => endpoint;

type Out<T> = T extends z.ZodType ? z.output<T> : undefined;
type In<T> = T extends z.ZodType ? z.input<T> : undefined;
type Has<E, K extends string, T> =
  E extends Record<K, z.ZodType> ? { readonly [P in K]: T } : unknown;
type Part<E, K extends string> = E extends Record<K, infer S> ? S : undefined;

/** What a handler gets: the parsed parts of the request that the endpoint declares. */
export type EndpointInput<E extends Endpoint> = Has<E, "params", Out<Part<E, "params">>> &
  Has<E, "query", Out<Part<E, "query">>> &
  Has<E, "body", Out<Part<E, "body">>> &
  (E extends { readonly upload: true } ? Upload : unknown);

/** The bytes of an uploaded file, as they arrive. */
export interface Upload {
  readonly content: AsyncIterable<Uint8Array>;
}

/** A file as the answer of a handler. */
export interface Download {
  readonly content: AsyncIterable<Uint8Array>;
  readonly size: number;
  /** Media type. */
  readonly type: string;
  /** What a browser would save it as. */
  readonly name: string;
}

/** What a caller of the client supplies: the same before parsing, so that defaults may be left out. */
export type EndpointRequest<E extends Endpoint> = Has<E, "params", In<Part<E, "params">>> &
  (E extends Record<"query", z.ZodType> ? { readonly query?: In<Part<E, "query">> } : unknown) &
  Has<E, "body", In<Part<E, "body">>> &
  (E extends { readonly upload: true } ? { readonly content: Uint8Array } : unknown);

/** What a handler answers, before the response schema strips and serialises it. */
export type EndpointReply<E extends Endpoint> = E extends { readonly download: true }
  ? Download
  : z.input<E["response"]>;

/** What the client's promise resolves to. */
export type EndpointOutput<E extends Endpoint> = E extends { readonly download: true }
  ? Downloaded
  : z.output<E["response"]>;

/** A file as a client gets it. */
export interface Downloaded {
  readonly content: Uint8Array;
  /** Media type. */
  readonly type: string;
}

/** The endpoints of one domain by name. */
export type DomainContract = Readonly<Record<string, Endpoint>>;
