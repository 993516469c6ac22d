import { beforeEach, expect, it, vi } from "vitest";
import type { WebSocket } from "ws";
import { ProblemError } from "../../contract/problem.ts";
import type { Upstream } from "../../contract/stream.ts";
import { StreamSession } from "../../server/stream-session.ts";
import { Socket } from "../support/socket.ts";

interface Page {
  readonly messages: readonly { readonly seq: number }[];
  readonly next: number;
  readonly more: boolean;
}

const { inboxPage } = vi.hoisted(() => ({ inboxPage: vi.fn<() => Promise<Page>>() }));
vi.mock("../../mailbox/inbox.ts", () => ({ inboxPage }));

beforeEach(() => {
  inboxPage.mockReset();
});

/** The socket of an agent, and how it sends a frame. */
function connected(): { socket: Socket; say: (frame: Upstream) => void } {
  const socket = new Socket();
  const principal = {
    id: "agent:p/a",
    kind: "agent",
    project: "p",
    name: "a",
    scopes: new Set(["mail:read"]),
  };
  void new StreamSession(socket as unknown as WebSocket, {
    gate: { auth: {} as never },
    hub: { subscribe: () => () => undefined } as never,
    query: () => Promise.resolve([]),
    now: () => 0,
    monotonic: () => 0,
    caller: { claims: { exp: 600_000 }, principal } as never,
  });
  return { socket, say: (frame) => socket.emit("message", Buffer.from(JSON.stringify(frame))) };
}

const from = (after: number): Upstream => ({ type: "subscribe.inbox", project: "p", after });

it("closes the stream when the inbox cannot be read, so that its client comes back and goes on", async () => {
  const { socket, say } = connected();
  inboxPage.mockRejectedValue(new ProblemError("UNAVAILABLE", "busy"));
  say(from(0));
  await expect.poll(() => socket.closed).toBe(4503);
  expect(socket.sent.at(-1)).toEqual({ type: "problem", code: "UNAVAILABLE", message: "busy" });
});

it("closes no stream for what its client alone can put right", async () => {
  const { socket, say } = connected();
  inboxPage.mockRejectedValueOnce(new ProblemError("BAD_REQUEST", "ahead"));
  inboxPage.mockResolvedValue({ messages: [], next: 4, more: false });
  say(from(9));
  await expect.poll(() => socket.sent.at(-1)).toMatchObject({ type: "problem", message: "ahead" });
  say(from(4));
  await expect.poll(() => socket.sent.at(-1)).toEqual({ type: "caught-up", seq: 4 });
  expect(socket.closed).toBeUndefined();
});

it("sends nothing more of a subscription that another has replaced, however its reading ends", async () => {
  const { socket, say } = connected();
  const late: { resolve: (page: Page) => void; reject: (error: Error) => void }[] = [];
  const reading = (): Promise<Page> =>
    new Promise((resolve, reject) => void late.push({ resolve, reject }));
  inboxPage.mockImplementationOnce(reading).mockImplementationOnce(reading);
  inboxPage.mockResolvedValue({ messages: [], next: 9, more: false });
  for (const after of [0, 1]) {
    say(from(after));
    await expect.poll(() => late.length).toBe(after + 1);
  }
  say(from(9));
  await expect.poll(() => socket.sent.at(-1)).toEqual({ type: "caught-up", seq: 9 });
  const sent = [...socket.sent];
  late[0]?.resolve({ messages: [{ seq: 1 }], next: 1, more: false });
  late[1]?.reject(new ProblemError("UNAVAILABLE", "busy"));
  await new Promise((resolve) => setImmediate(resolve));
  expect(socket.sent).toEqual(sent);
  expect(socket.closed).toBeUndefined();
});
