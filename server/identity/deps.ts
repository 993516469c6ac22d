import type { EventLog } from "../../storage/event-log.ts";
import type { AccessTokens } from "./access-tokens.ts";
import type { Nonces } from "./nonces.ts";
import type { Outside } from "./outside.ts";
import type { OutsideIssuer } from "./outside-rules.ts";
import type { AgentsPort, CountProject } from "./ports.ts";
import type { SigningKeys } from "./signing-keys.ts";
import type { Standings } from "./standings.ts";

/** What the handlers of identity work with. */
export interface IdentityDeps {
  readonly log: EventLog;
  readonly keys: () => SigningKeys;
  /** The folder of the private halves. */
  readonly keysFolder: string;
  /** Publishes or revokes keys while nobody else does, deletes the private halves that are void, and goes by the others. */
  changeKeys<T>(this: void, change: () => Promise<T>): Promise<T>;
  readonly tokens: AccessTokens;
  readonly nonces: Nonces;
  readonly outside: Outside;
  readonly issuers: readonly OutsideIssuer[];
  readonly standings: Standings;
  readonly agents: AgentsPort;
  readonly countProject: CountProject;
  /** `iss` and `aud` of everything that is signed for or by this server. */
  readonly audience: string;
}
