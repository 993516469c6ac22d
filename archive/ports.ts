import type { EndpointInput, EndpointReply } from "../contract/endpoint.ts";
import type { archive } from "../contract/archive.ts";
import type { EventLog } from "../storage/event-log.ts";

/** The server's signing key, as the archive uses it. */
export interface Signer {
  /** Names the public key, which is part of the log. */
  readonly kid: string;
  readonly jwk: object;
  /** An Ed25519 signature. */
  sign(bytes: Uint8Array): Promise<Uint8Array>;
}

/** The two forms of the report of a finished sweep. */
export interface RenderedReport {
  readonly json: string;
  readonly markdown: string;
}

/** A remote that one repository is pushed to. */
export interface RemoteSettings {
  readonly name: string;
  readonly url: string;
  /** `journal` or `project/<name>`. */
  readonly repository: string;
  /** A file with the password for the remote; without it Git's own ways (SSH keys, credential helpers) serve. */
  readonly tokenFile?: string | undefined;
  /** A file with `username=…` and `password=…`, as Git's credential helpers answer; wins over `tokenFile`. */
  readonly credentialFile?: string | undefined;
}

export type VerifyRequest = EndpointInput<typeof archive.verify>["body"];
export type VerifyAnswer = EndpointReply<typeof archive.verify>;

export interface ArchiveDeps {
  readonly log: EventLog;
  /** Holds `journal.git`, one `<project>.git` per project and the lock; made if it is missing. */
  readonly folder: string;
  /** The key that signs now. */
  readonly signer: () => Signer;
  /** Takes the lock file for this process alone. @throws ProblemError CONFLICT when another process holds it */
  readonly lock: (file: string) => { close(): void };
  /** The report of a sweep; null if the ledger has none. */
  readonly report: (project: string, sweep: string) => Promise<RenderedReport | null>;
  readonly remotes: readonly RemoteSettings[];
  /** Hears of every batch that failed; it is repeated after a growing pause. */
  readonly onError: (error: unknown) => void;
}
