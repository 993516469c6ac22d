import { describe, expect, it } from "vitest";
import { agent, as, PROJECT, useReservations } from "../reservations/support.ts";
import type { Driver } from "../support/drivers.ts";

const HOUR = 3_600_000;
const OTHER = "other";
const GPU = { kind: "gpu", node: "n1", uuid: "GPU-1" } as const;

/** GPUs belong to the fleet, and so to no project, over any database. */
export function leaseGpusSuite(driver: Driver): void {
  describe(`leases on GPUs over projects on ${driver.name}`, () => {
    const bench = useReservations(driver);

    const caller = (project: string, name: string) => {
      const id = `agent:${project}/${name}`;
      return { ...as(name), principal: { ...agent(name), project, id, actor: id } };
    };
    const order = (resource: typeof GPU | { kind: "model"; name: string }) => ({
      resources: [resource],
      mode: "exclusive" as const,
      ttlMs: HOUR,
      reason: "profiling",
    });
    const acquire = (project: string, name: string, resource: Parameters<typeof order>[0] = GPU) =>
      bench().handlers.acquire({
        params: { project },
        body: { ...order(resource), partial: false },
        ...caller(project, name),
      });
    const release = (project: string, name: string, lease: string) =>
      bench().handlers.release({
        params: { project, lease: lease as never },
        ...caller(project, name),
      });

    it("are refused while another project holds one, without a word about who does what there", async () => {
      await acquire(PROJECT, "blue");
      const refusal: unknown = await acquire(OTHER, "red").catch((error: unknown) => error);
      expect(refusal).toMatchObject({
        code: "RESERVATION_CONFLICT",
        message:
          "gpu:n1/GPU-1 cannot be granted: gpu:n1/GPU-1 is held by an agent of another project",
        details: [{ lease: null, fence: null, reason: null, thread: null, ask: null }],
      });
      expect(JSON.stringify(refusal)).not.toMatch(/blue|default|profiling/);
    });

    it("go to who waits in another project when they are given back", async () => {
      const held = await acquire(PROJECT, "blue");
      const ticket = await bench().handlers.enqueue({
        params: { project: OTHER },
        body: { ...order(GPU), waitMs: 600_000 },
        ...caller(OTHER, "red"),
      });
      expect(ticket).toMatchObject({ lease: null, conflicts: [{ queue: 1 }] });
      await release(PROJECT, "blue", held.id);
      await expect(acquire(PROJECT, "green")).rejects.toMatchObject({
        code: "RESERVATION_CONFLICT",
      });
      const taken = await bench().handlers.awaitTicket({
        params: { project: OTHER, ticket: ticket.id },
        body: { ms: 0 },
        ...caller(OTHER, "red"),
      });
      expect(taken.lease).toMatchObject({ holder: "red", state: "held" });
    });

    it("supersede one that ended in another project, whose work counts no longer", async () => {
      const ended = await acquire(PROJECT, "blue");
      await bench().pass(HOUR);
      await bench().pass(60_000);
      await acquire(OTHER, "red");
      const was = await bench().handlers.lease({
        params: { project: PROJECT, lease: ended.id as never },
        ...as("blue"),
      });
      expect(was.state).toBe("superseded");
    });

    it("are found in a circle that goes over two projects", async () => {
      const second = { ...GPU, uuid: "GPU-2" as never };
      const body = (resource: typeof GPU) => ({ ...order(resource), waitMs: 600_000 });
      await acquire(PROJECT, "blue", GPU);
      await acquire(OTHER, "red", second);
      await bench().handlers.enqueue({
        params: { project: PROJECT },
        body: body(second),
        ...caller(PROJECT, "blue"),
      });
      await expect(
        bench().handlers.enqueue({
          params: { project: OTHER },
          body: body(GPU),
          ...caller(OTHER, "red"),
        }),
      ).rejects.toMatchObject({
        code: "WAIT_CYCLE",
        details: [{ holders: ["red", "an agent of another project", "red"] }],
      });
    });

    it("unlike models, files and semaphores, which each project has for itself", async () => {
      const model = { kind: "model" as const, name: "llama@main" };
      await acquire(PROJECT, "blue", model);
      expect(await acquire(OTHER, "red", model)).toMatchObject({ state: "held" });
    });
  });
}
