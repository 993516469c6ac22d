import type Docker from "dockerode";
import { z } from "zod";
import { type FrozenImage, LaunchError } from "../launcher.ts";
import { engineCall, problemOf } from "./engine-call.ts";

const CALL_MS = 30_000;

/** The frozen form of a reference: fetched when it is missing, unless it is a bare image id. */
export async function resolveImage(
  docker: Docker,
  reference: string,
  signal: AbortSignal,
): Promise<FrozenImage> {
  const here = await inspectImage(docker, reference);
  if (here !== null) return here;
  if (reference.startsWith("sha256:")) throw new LaunchError(`this node has no image ${reference}`);
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

/** The digest under the name that was asked for, or the id of an image that came from no registry. */
function frozenForm(id: string, digests: readonly string[], reference: string): string {
  if (digests.includes(reference)) return reference;
  const repository = reference.replace(/@.*$/, "").replace(/:[^/]*$/, "");
  return digests.find((digest) => digest.startsWith(`${repository}@`)) ?? id;
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

/** Every name of every image here with its frozen form. */
export async function listImages(docker: Docker): Promise<Record<string, string>> {
  const images = await engineCall("list images", CALL_MS, (abortSignal) =>
    docker.listImages({ abortSignal }),
  );
  const named = images.flatMap(({ Id, RepoTags, RepoDigests }) =>
    (RepoTags ?? [])
      .filter((tag) => !tag.startsWith("<none>"))
      .map((tag): [string, string] => [tag, frozenForm(Id, RepoDigests ?? [], tag)]),
  );
  return Object.fromEntries(named);
}
