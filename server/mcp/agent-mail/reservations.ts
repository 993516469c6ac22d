import { z } from "zod";
import type { EndpointOutput } from "../../../contract/endpoint.ts";
import { ProblemError } from "../../../contract/problem.ts";
import type { reservations } from "../../../contract/reservations.ts";
import { formatResource, type Resource } from "../../../contract/resource.ts";
import { shellWord } from "../../../contract/shell-word.ts";
import { mine } from "../lease-tools.ts";
import { given } from "../mail-tools.ts";
import { type Actor, actor, agentMailTool, projectOf, texts } from "./connection.ts";

type Lease = EndpointOutput<typeof reservations.lease>;

/** Patterns of that profile belong to the project's one repository. */
const REPO = "default";

interface Wanted {
  readonly paths: readonly string[];
  readonly ttl_seconds: number;
  readonly exclusive: boolean;
  readonly reason?: string | undefined;
  readonly session: string | null;
}

interface Reserved {
  readonly granted: ReturnType<typeof shapeOf>[];
  readonly conflicts: { path: string; holders: unknown[] }[];
}

/** One lease per path, so that each can be released alone; a conflicting path is never granted, and none is when one is refused. */
export async function reservePaths(me: Actor, wanted: Wanted): Promise<Reserved> {
  const reserved: Reserved = { granted: [], conflicts: [] };
  try {
    await reserveEach(me, wanted, reserved);
    return reserved;
  } catch (error) {
    const ids = reserved.granted.map(({ id }) => id);
    // What is wrong with the request is worth more than what may be wrong with the release.
    await releaseLeases(me, ids).catch(() => undefined);
    throw error;
  }
}

async function reserveEach(
  { client, project }: Actor,
  { paths, ttl_seconds, exclusive, reason, session }: Wanted,
  reserved: Reserved,
): Promise<void> {
  for (const path of paths) {
    try {
      const lease = await client.reservations.acquire({
        params: { project },
        body: {
          resources: [{ kind: "file", repo: REPO, pattern: path }],
          mode: exclusive ? "exclusive" : "shared",
          ttlMs: ttl_seconds * 1_000,
          ...given({ reason, session: session ?? undefined }),
        },
      });
      reserved.granted.push(shapeOf(lease));
    } catch (error) {
      if (!(error instanceof ProblemError) || error.code !== "RESERVATION_CONFLICT") throw error;
      reserved.conflicts.push({ path, holders: error.details.map(holderOf) });
    }
  }
}

/** Of these tools a path is always a file's, whatever it starts with. */
const pathOf = (resource: Resource): string =>
  resource.kind === "file" ? resource.pattern : formatResource(resource);

const shapeOf = (lease: Lease) => ({
  id: lease.id,
  path_pattern: lease.resources.map(pathOf).join(" "),
  exclusive: lease.mode === "exclusive",
  reason: lease.reason ?? "",
  fence: lease.fence,
  expires_ts: lease.expiresAt,
});

const holderOf = (conflict: Record<string, unknown>) => ({
  agent: conflict["holder"],
  path_pattern: conflict["held"],
  exclusive: conflict["mode"] === "exclusive",
  expires_ts: conflict["expiresAt"],
  reason: conflict["reason"],
  witness: conflict["witness"],
});

interface Selection {
  readonly paths?: readonly string[] | undefined;
  readonly file_reservation_ids?: readonly string[] | undefined;
}

/** The caller's leases that a call names; all of them when it names none. */
async function selected(
  me: Actor,
  { paths, file_reservation_ids: ids }: Selection,
): Promise<Lease[]> {
  const leases = await mine(me, "file");
  if (paths === undefined && ids === undefined) return leases;
  return leases.filter(
    (lease) =>
      ids?.includes(lease.id) === true ||
      lease.resources.every((resource) => paths?.includes(pathOf(resource)) === true),
  );
}

/** Releases leases of the caller one by one and counts them. */
export async function releaseLeases(
  { client, project }: Actor,
  ids: readonly string[],
): Promise<{ released: number; released_at: string }> {
  for (const id of ids)
    await client.reservations.release({ params: { project, lease: id as Lease["id"] } });
  return { released: ids.length, released_at: new Date().toISOString() };
}

const target = { project_key: z.string(), agent_name: z.string().optional() };
const selection = {
  paths: texts.optional(),
  file_reservation_ids: texts.optional(),
};

const MAX_PATHS = 200;
export const reservedPaths = texts.refine(
  (paths) => paths.length <= MAX_PATHS,
  `name at most ${MAX_PATHS} paths`,
);

export const reserveInput = z.strictObject({
  ...target,
  paths: reservedPaths.refine((paths) => paths.length > 0, "name at least one path"),
  ttl_seconds: z.int().min(60).default(3_600),
  exclusive: z.boolean().default(true),
  reason: z.string().optional(),
});

const reserveTool = (name: string) =>
  agentMailTool({
    name,
    description:
      "Reserve file patterns, each with its own lease; a conflicting one is not granted but listed",
    input: reserveInput,
    run: async ({ project_key, agent_name, ...wanted }, connection) =>
      reservePaths(await actor(connection, project_key, agent_name), {
        ...wanted,
        session: connection.leaseSession,
      }),
  });

export const reservationTools = [
  reserveTool("file_reservation_paths"),
  reserveTool("reserve_file_paths"),
  agentMailTool({
    name: "release_file_reservations",
    description: "Release reservations of this connection's agent: by path, by id, or all",
    input: z.strictObject({ ...target, ...selection }),
    run: async (args, connection) => {
      const me = await actor(connection, args.project_key, args.agent_name);
      return releaseLeases(
        me,
        (await selected(me, args)).map(({ id }) => id),
      );
    },
  }),
  agentMailTool({
    name: "renew_file_reservations",
    description: "Extend reservations of this connection's agent from now",
    input: z.strictObject({
      ...target,
      ...selection,
      extend_seconds: z.int().min(60).max(604_800).default(1_800),
    }),
    run: async (args, connection) => {
      const me = await actor(connection, args.project_key, args.agent_name);
      const renewed = [];
      for (const old of await selected(me, args)) {
        const lease = await me.client.reservations.renew({
          params: { project: me.project, lease: old.id },
          body: { ttlMs: args.extend_seconds * 1_000 },
        });
        renewed.push({
          id: lease.id,
          path_pattern: shapeOf(lease).path_pattern,
          old_expires_ts: old.expiresAt,
          new_expires_ts: lease.expiresAt,
        });
      }
      return { renewed: renewed.length, file_reservations: renewed };
    },
  }),
  agentMailTool({
    name: "force_release_file_reservation",
    description:
      "Take a reservation away from its holder, who is told the note; needs the scope lease:force",
    input: z.strictObject({
      ...target,
      file_reservation_id: z.uuid(),
      note: z.string().min(1).default("no reason was given"),
      /** The holder is told in any case. */
      notify_previous: z.boolean().optional(),
    }),
    run: async ({ project_key, agent_name, file_reservation_id, note }, connection) => {
      if (agent_name !== undefined) await actor(connection, project_key, agent_name);
      const lease = await connection.own.reservations.forceRelease({
        params: { project: projectOf(project_key), lease: file_reservation_id as Lease["id"] },
        body: { reason: note },
      });
      return { released: 1, notified: true, reservation: shapeOf(lease) };
    },
  }),
  agentMailTool({
    name: "install_precommit_guard",
    description: "The command that installs the guard; the server never writes to your disk",
    input: z.strictObject({ project_key: z.string(), code_repo_path: z.string() }),
    run: ({ project_key, code_repo_path }) =>
      Promise.resolve({
        installed: false,
        run: `cd ${shellWord(code_repo_path)} && GRIDPOST_PROJECT=${projectOf(project_key)} gridpost guard install --repo ${REPO}`,
      }),
  }),
];
