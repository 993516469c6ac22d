import { rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { unescape } from "node:querystring";
import type { RemoteSettings } from "../archive/ports.ts";
import { readPrivate, writePrivate } from "../runtime/private-file.ts";
import { keysFolder } from "./identity/first-start.ts";
import type { Settings } from "./settings.ts";

/** An address without what proves the caller, and that as Git's credential helpers say it; null if there is none. */
export interface SplitAddress {
  readonly url: string;
  readonly credential: string | null;
}

/**
 * Takes user and password out of an HTTP address: whatever Git is told in its arguments, everybody on the machine can
 * read.
 */
export function splitAddress(address: string): SplitAddress {
  if (!/^https?:\/\/[^/]*@/i.test(address) || !URL.canParse(address))
    return { url: address, credential: null };
  const url = new URL(address);
  const { username, password } = url;
  url.username = "";
  url.password = "";
  // As Git reads it: a `%` that begins no byte stands for itself.
  const credential = `username=${unescape(username)}\npassword=${unescape(password)}\n`;
  return { url: url.href, credential };
}

/** Settings as a log may show them. */
export const withoutCredentials = (settings: Settings): Settings => ({
  ...settings,
  archive: {
    ...settings.archive,
    remotes: Object.fromEntries(
      Object.entries(settings.archive.remotes).map(([name, remote]) => [
        name,
        { ...remote, url: splitAddress(remote.url).url },
      ]),
    ),
  },
});

/**
 * The configured remotes, with the credentials of their addresses in private files that Git reads itself.
 * @throws ProblemError BAD_REQUEST when others may read a token's file
 */
export async function openRemotes({
  data,
  archive,
}: Pick<Settings, "data" | "archive">): Promise<RemoteSettings[]> {
  const folder = join(keysFolder(data), "remotes");
  await rm(folder, { recursive: true, force: true });
  const remotes: RemoteSettings[] = [];
  for (const [name, { repository, ...remote }] of Object.entries(archive.remotes)) {
    // Git works in another folder than the server.
    const tokenFile = remote.tokenFile === undefined ? undefined : resolve(remote.tokenFile);
    // Git reads it at each push; that it is missing shows there.
    if (tokenFile !== undefined) await readPrivate(tokenFile);
    const { url, credential } = splitAddress(remote.url);
    const credentialFile = credential === null ? undefined : join(folder, name);
    if (credentialFile !== undefined) await writePrivate(credentialFile, credential ?? "");
    remotes.push({ name, url, repository, tokenFile, credentialFile });
  }
  return remotes;
}
