import { join } from "node:path";
import { newId } from "../../contract/ids.ts";
import { writePrivate } from "../../runtime/private-file.ts";
import type { EventLog } from "../../storage/event-log.ts";
import type { LogTx } from "../../storage/log.ts";
import { DEFAULT_PROJECT } from "./join-grants.ts";
import { createSigningKey, hasSigningKey, loadSigningKeys } from "./signing-keys.ts";
import { hasServerToken, serverId } from "./store.ts";
import { makeJoinToken } from "./token-handlers.ts";

export const keysFolder = (data: string): string => join(data, "keys");

/** Where the admin's join token lies. */
export const adminJoinFile = (data: string): string => join(data, "admin.join");

/**
 * Makes what a server cannot be without, where it is missing: its id, project `default`, a signing key, and, at the very
 * first start or when asked, the admin's join token. Files come before the events that speak of them.
 * @returns whether a new admin join token was written
 */
export async function prepareIdentity(
  log: EventLog,
  { data, newAdminJoin }: { data: string; newAdminJoin: boolean },
): Promise<boolean> {
  const folder = keysFolder(data);
  const first = (await serverId(log.query)) === undefined;
  if (!(await hasSigningKey(log.query, folder))) {
    const { kid, jwk } = await createSigningKey(folder);
    await log.tx(["identity"], async (tx) => {
      if (first) await appendServer(tx);
      const body = { kid, jwk, activeFrom: tx.now };
      await tx.append({ type: "signing_key.published", project: null, actor: "server", body });
    });
  }
  if (!newAdminJoin && (await hasServerToken(log.query))) return false;
  await writeAdminJoin(log, data);
  return true;
}

async function appendServer(tx: LogTx): Promise<void> {
  const actor = "server";
  await tx.append({ type: "server.created", project: null, actor, body: { id: newId() } });
  const body = { name: DEFAULT_PROJECT };
  await tx.append({ type: "project.created", project: DEFAULT_PROJECT, actor, body });
}

async function writeAdminJoin(log: EventLog, data: string): Promise<void> {
  const keys = await loadSigningKeys(log.query, keysFolder(data));
  const { token, hash } = makeJoinToken(keys.current(log.now()).kid);
  await writePrivate(adminJoinFile(data), `${token}\n`);
  await log.tx(["identity"], (tx) =>
    tx.append({
      type: "token.created",
      project: null,
      actor: "server",
      body: {
        id: newId(),
        hash,
        kind: "user",
        name: null,
        namePattern: null,
        project: null,
        uses: 1,
        ttlMs: null,
        role: "admin",
        addsKey: false,
      },
    }),
  );
}
