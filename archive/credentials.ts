import { shellWord } from "../contract/shell-word.ts";

/** Where the credentials for a remote are; files that Git's helper reads itself, so that they stand in no argument. */
interface Credentials {
  /** Holds a password alone. */
  readonly tokenFile?: string | undefined;
  /** Holds `username=…` and `password=…`; wins over `tokenFile`. */
  readonly credentialFile?: string | undefined;
}

/**
 * What lets Git reach another machine as the operator has told it to: by the credentials below, which it asks a command for,
 * and by what the variables of Git say of SSH and of certificates.
 */
export const REACHING = {
  unsafe: { allowUnsafeCredentialHelper: true, allowUnsafeSshCommand: true },
  allowEnvironment: ["GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSH_VARIANT", "GIT_SSL_CAINFO"],
};

/** Settings for Git that make it give these credentials to the host of an address, and none to others; none where it has its own ways. */
export function credentialConfig(
  { tokenFile, credentialFile }: Credentials,
  address: string,
): string[] {
  if (credentialFile !== undefined) return helper(address, `cat ${shellWord(credentialFile)}`);
  if (tokenFile === undefined) return [];
  const answer = `echo username=gridpost && printf 'password=' && cat ${shellWord(tokenFile)}`;
  return helper(address, answer);
}

/**
 * The empty one forgets those of the machine. A host that the address leads on to is not the one that was meant: Git says
 * which one asks, and settings for one address would not fit every name of a host that Git takes.
 */
function helper(address: string, answer: string): string[] {
  const [, protocol, host] = /^(https?):\/\/(?:[^/@]*@)?([^/?#]+)/i.exec(address) ?? [];
  if (protocol === undefined || host === undefined) return [];
  const asks = `test "$(grep -E '^(protocol|host)=')" = ${shellWord(`protocol=${protocol}\nhost=${host}`)}`;
  return [
    "credential.helper=",
    `credential.helper=!f() { test "$1" = get && ${asks} && ${answer}; }; f`,
  ];
}
