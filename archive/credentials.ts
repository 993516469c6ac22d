/** Where the credentials for a remote are; files that Git's helper reads itself, so that they stand in no argument. */
interface Credentials {
  /** Holds a password alone. */
  readonly tokenFile?: string | undefined;
  /** Holds `username=…` and `password=…`; wins over `tokenFile`. */
  readonly credentialFile?: string | undefined;
}

/** Settings for Git that make it give these credentials to the host of an address, and none to others; none where it has its own ways. */
export function credentialConfig(
  { tokenFile, credentialFile }: Credentials,
  address: string,
): string[] {
  if (credentialFile !== undefined) return helper(address, `cat ${quoted(credentialFile)}`);
  if (tokenFile === undefined) return [];
  const answer = `echo username=gridpost && printf 'password=' && cat ${quoted(tokenFile)}`;
  return helper(address, answer);
}

/** The empty one forgets those of the machine. A host that the address leads on to is not the one that was meant. */
function helper(address: string, answer: string): string[] {
  const [, scheme, host] = /^(https?:\/\/)(?:[^/@]*@)?([^/?#]+)/i.exec(address) ?? [];
  if (scheme === undefined || host === undefined) return [];
  return [
    "credential.helper=",
    `credential.${scheme}${host}.helper=!f() { test "$1" = get && ${answer}; }; f`,
  ];
}

const quoted = (path: string): string => `'${path.replaceAll("'", `'\\''`)}'`;
