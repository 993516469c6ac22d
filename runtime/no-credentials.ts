/** The home has never joined the server at this address. */
export class NoCredentialsError extends Error {
  readonly next: string;

  constructor(url: string, home: string) {
    super(`no credentials for ${url} in ${home}`);
    this.name = "NoCredentialsError";
    this.next = `gridpost join ${url} --token-file FILE`;
  }
}
