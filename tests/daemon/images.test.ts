import type Docker from "dockerode";
import { describe, expect, it, vi } from "vitest";
import { listImages, resolveImage } from "../../daemon/docker/images.ts";
import { drivers } from "../support/drivers.ts";
import { type FakeNode, must, useFleet } from "../support/fleet.ts";

const ID = `sha256:${"a".repeat(64)}`;
const DIGEST = `sha256:${"d".repeat(64)}`;

/** An engine with one image, which it shows under these names whatever it is asked for by. */
const engineWith = (tag: string, digest: string): Docker => {
  const image = { Id: ID, RepoTags: [tag], RepoDigests: [digest] };
  const engine = {
    getImage: () => ({ inspect: () => Promise.resolve(image) }),
    listImages: () => Promise.resolve([image]),
  };
  return engine as unknown as Docker;
};

const docker = engineWith("alpine:3", `alpine@${DIGEST}`);
/** Podman shows every name in full. */
const podman = engineWith("docker.io/library/alpine:3", `docker.io/library/alpine@${DIGEST}`);

/** Takes a run and carries it out with the image that the engine gives for it. */
async function runOne(node: FakeNode, engine: Docker): Promise<string> {
  await node.holds(await listImages(engine));
  const session = must(await node.take());
  const [run] = session.runs;
  const reference = run?.image ?? run?.cell.image ?? "";
  const { frozen: image } = await resolveImage(engine, reference, new AbortController().signal);
  const ran = { runtime: "docker" as const, image };
  await node.start({ params: { attempt: run?.attempt.id ?? "" }, body: ran });
  return (await node.finish(session, ran)).state;
}

describe("a sweep of an image that nodes hold", () => {
  const [driver] = drivers;
  if (driver === undefined) throw new Error("no driver");
  const fleet = useFleet(driver);

  it.each([
    "alpine:3",
    "docker.io/library/alpine:3",
    "index.docker.io/alpine:3",
    `alpine:3@${DIGEST}`,
    `alpine@${DIGEST}`,
    ID,
  ])("runs on all of them, with the image written as %s", async (image) => {
    const { submit, node } = fleet();
    await submit(4, { cell: { command: ["x"], image } });
    const [a, b] = [await node("a"), await node("b")];
    for (const state of [await runOne(a, docker), await runOne(b, podman), await runOne(a, docker)])
      expect(state).toBe("succeeded");
  });

  it.each([`docker.io/library/alpine:3`, ID])(
    "runs on all of them, with the image written as %s when one has reported it",
    async (image) => {
      const { submit, node } = fleet();
      const [a, b] = [await node("a"), await node("b")];
      await a.holds(await listImages(docker));
      await submit(2, { cell: { command: ["x"], image } });
      expect([await runOne(a, docker), await runOne(b, podman)]).toEqual([
        "succeeded",
        "succeeded",
      ]);
    },
  );
});

it("what is no image never becomes part of an address of the engine", async () => {
  const getImage = vi.fn();
  const { signal } = new AbortController();
  for (const reference of ["../containers", "a b", "a?b", "a/../../info", "/a", ""])
    await expect(
      resolveImage({ getImage } as unknown as Docker, reference, signal),
    ).rejects.toMatchObject({ name: "LaunchError", cellsFault: true });
  expect(getImage).not.toHaveBeenCalled();
});

it("an image is listed under its names and its id", async () => {
  for (const engine of [docker, podman])
    expect(await listImages(engine)).toEqual({ "alpine:3": `alpine@${DIGEST}`, [ID]: ID });
});
