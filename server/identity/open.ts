import { ProblemError } from "../../contract/problem.ts";
import type { EventLog } from "../../storage/event-log.ts";
import { createAccessTokens } from "./access-tokens.ts";
import { type Authenticator, createAuthenticator } from "./authenticate.ts";
import type { IdentityDeps } from "./deps.ts";
import { keysFolder, prepareIdentity } from "./first-start.ts";
import { createNonces } from "./nonces.ts";
import { createOutside } from "./outside.ts";
import type { OutsideIssuer } from "./outside-rules.ts";
import type { AgentsPort, CountProject } from "./ports.ts";
import { loadSigningKeys, removeForeignKeys } from "./signing-keys.ts";
import { createStandings } from "./standings.ts";
import { serverId } from "./store.ts";

export interface OpenIdentity {
  readonly log: EventLog;
  readonly data: string;
  readonly newAdminJoin: boolean;
  readonly agents: AgentsPort;
  readonly countProject: CountProject;
  /** Issuers elsewhere whose tokens are accepted. */
  readonly issuers: readonly OutsideIssuer[];
}

export interface Identity {
  readonly deps: IdentityDeps;
  readonly auth: Authenticator;
  /** Calls back each time that signing keys were published or revoked, once the server goes by them. */
  onKeysLoaded(this: void, listener: () => void): void;
  /** Whether a join token for the admin was written to `<data>/admin.join` at this start. */
  readonly wroteAdminJoin: boolean;
}

/** Prepares what a first start needs and loads the keys. */
export async function openIdentity(options: OpenIdentity): Promise<Identity> {
  const { log, agents } = options;
  const wroteAdminJoin = await prepareIdentity(log, options);
  const folder = keysFolder(options.data);
  let keys = await loadSigningKeys(log.query, folder);
  const id = await serverId(log.query);
  if (id === undefined) throw new ProblemError("INTERNAL", "the log has no server.created");
  const audience = `gridpost:${id}`;
  const standings = createStandings(log.query, agents);
  const outside = createOutside({ ...options, standings });
  const tokens = createAccessTokens({ keys: () => keys, audience, outside });
  const nonces = createNonces(keys.secret("nonce"));
  const now = (): number => log.now();
  const listeners: (() => void)[] = [];
  let changed: Promise<unknown> = Promise.resolve();
  const changeKeys = async <T>(change: () => Promise<T>): Promise<T> => {
    const result = await change();
    await removeForeignKeys(log.query, folder);
    keys = await loadSigningKeys(log.query, folder);
    tokens.forget();
    for (const listener of listeners) listener();
    return result;
  };
  return {
    deps: {
      ...options,
      keys: () => keys,
      keysFolder: folder,
      // One after the other: what the log does not know yet of one rotation is foreign to another.
      changeKeys: (change) => {
        const mine = changed.then(() => changeKeys(change));
        changed = mine.catch(() => undefined);
        return mine;
      },
      tokens,
      outside,
      nonces,
      standings,
      audience,
    },
    auth: createAuthenticator({ tokens, standings, now }),
    onKeysLoaded: (listener) => void listeners.push(listener),
    wroteAdminJoin,
  };
}
