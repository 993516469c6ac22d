/** Where the credentials for a remote are; files that Git's helper reads itself, so that they stand in no argument. */
interface Credentials {
  /** Holds a password alone. */
  readonly tokenFile?: string | undefined;
  /** Holds `username=…` and `password=…`; wins over `tokenFile`. */
  readonly credentialFile?: string | undefined;
}

/** Settings for Git that make it use these credentials and no others; none where it has its own ways. */
export function credentialConfig({ tokenFile, credentialFile }: Credentials): string[] {
  if (credentialFile !== undefined) return helper(`cat ${quoted(credentialFile)}`);
  if (tokenFile === undefined) return [];
  return helper(`echo username=gridpost && printf 'password=' && cat ${quoted(tokenFile)}`);
}

/** The empty one forgets those of the machine. */
const helper = (answer: string): string[] => [
  "credential.helper=",
  `credential.helper=!f() { test "$1" = get && ${answer}; }; f`,
];

const quoted = (path: string): string => `'${path.replaceAll("'", `'\\''`)}'`;
