import type Docker from "dockerode";
import { z } from "zod";
import { familiarImage, isImage } from "../../contract/cell/image.ts";
import { type FrozenImage, LaunchError } from "../launcher.ts";
import { engineCall, problemOf } from "./engine-call.ts";

const CALL_MS = 30_000;

/**
 * The frozen form of a reference: fetched when it is missing, unless it is a bare image id.
 * @throws LaunchError for what is no reference, or cannot be fetched
 */
export async function resolveImage(
  docker: Docker,
  reference: string,
  signal: AbortSignal,
): Promise<FrozenImage> {
  // It becomes part of an address of the engine: what is no reference would ask it for something else.
  if (!isImage(reference))
    throw new LaunchError(`${JSON.stringify(reference)} is no image`, { cellsFault: true });
  const here = await inspectImage(docker, reference);
  if (here !== null) return here;
  if (familiarImage(reference).startsWith("sha256:"))
    throw new LaunchError(`this node has no image ${reference}`);
  await pull(docker, reference, signal);
  const pulled = await inspectImage(docker, reference);
  if (pulled === null) throw new LaunchError(`${reference} was pulled and is not there`);
  return pulled;
}

async function inspectImage(docker: Docker, reference: string): Promise<FrozenImage | null> {
  try {
    const image = await engineCall(`inspect image ${reference}`, CALL_MS, () =>
      docker.getImage(reference).inspect(),
    );
    return { id: image.Id, frozen: frozenForm(image.Id, image.RepoDigests ?? [], reference) };
  } catch (error) {
    if (problemOf(error)?.statusCode === 404) return null;
    throw error;
  }
}

/**
 * What was asked for where it names the content itself, else the digest under the name that was asked for, or the id of
 * an image that came from no registry.
 */
function frozenForm(id: string, digests: readonly string[], reference: string): string {
  const asked = familiarImage(reference);
  if (asked === id || asked.includes("@")) return asked;
  const repository = asked.replace(/:[^/]*$/, "");
  return digests.map(familiarImage).find((digest) => digest.startsWith(`${repository}@`)) ?? id;
}

const Progress = z.object({ error: z.string() });

async function pull(docker: Docker, reference: string, signal: AbortSignal): Promise<void> {
  try {
    const stream = await docker.pull(reference, { abortSignal: signal });
    let line = "";
    for await (const chunk of stream) {
      const lines = (line + String(chunk)).split("\n");
      line = lines.pop() ?? "";
      for (const text of lines) throwIfFailed(text);
    }
    throwIfFailed(line);
  } catch (error) {
    const why =
      problemOf(error)?.message ?? (error instanceof Error ? error.message : String(error));
    throw new LaunchError(`cannot pull ${reference}: ${why}`, { cause: error });
  }
}

function throwIfFailed(line: string): void {
  if (!line.includes('"error"')) return;
  const failed = Progress.safeParse(JSON.parse(line));
  if (failed.success) throw new Error(failed.data.error);
}

/** Every name of every image here with its frozen form; its id, too, is a name. */
export async function listImages(docker: Docker): Promise<Record<string, string>> {
  const images = await engineCall("list images", CALL_MS, (abortSignal) =>
    docker.listImages({ abortSignal }),
  );
  const named = images.flatMap(({ Id, RepoTags, RepoDigests }) =>
    [Id, ...(RepoTags ?? [])]
      .filter((name) => !name.startsWith("<none>"))
      .map((name): [string, string] => [
        familiarImage(name),
        frozenForm(Id, RepoDigests ?? [], name),
      ]),
  );
  return Object.fromEntries(named);
}
