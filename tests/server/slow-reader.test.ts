import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { WebSocket } from "ws";
import type { Downstream } from "../../contract/stream.ts";
import { StreamSession } from "../../server/stream-session.ts";
import { InboxPump } from "../../server/inbox-pump.ts";
import { Socket } from "../support/socket.ts";

const PAGE = { messages: [], next: 7, more: false };
vi.mock("../../mailbox/inbox.ts", () => ({ inboxPage: () => Promise.resolve(PAGE) }));

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

const hub = { subscribe: () => () => undefined } as unknown as ConstructorParameters<
  typeof InboxPump
>[0]["hub"];

/** A session on the clock of the fake timers, whose token ends after `exp` milliseconds. */
const sessionOn = (socket: Socket, exp: number): StreamSession =>
  new StreamSession(socket as unknown as WebSocket, {
    gate: { auth: {} as never },
    hub,
    query: () => Promise.resolve([]),
    now: () => performance.now(),
    monotonic: () => 0,
    caller: { claims: { exp }, principal: { id: "agent:p/a" } } as never,
  });

it("is closed when its token ends, be that longer than a timer can wait", () => {
  const day = 86_400_000;
  const [one, month] = [new Socket(), new Socket()];
  sessionOn(one, performance.now() + day);
  sessionOn(month, performance.now() + 60 * day);
  vi.advanceTimersByTime(day - 1);
  expect([one.closed, month.closed]).toEqual([undefined, undefined]);
  vi.advanceTimersByTime(1);
  expect([one.closed, month.closed]).toEqual([4401, undefined]);
  vi.advanceTimersByTime(59 * day - 1);
  expect(month.closed).toBeUndefined();
  vi.advanceTimersByTime(1);
  expect(month.closed).toBe(4401);
});

it("is sent nothing more, and closed, when it leaves a megabyte unread", () => {
  const socket = new Socket();
  const session = sessionOn(socket, 600_000);
  session.send({ type: "ping" });
  socket.bufferedAmount = 1_048_577;
  for (let i = 0; i < 1_000; i += 1) session.send({ type: "ping" });
  expect(socket.sent).toEqual([{ type: "ping" }]);
  expect(socket.closed).toBe(4408);
  vi.advanceTimersByTime(2_000);
  expect(socket.cut).toBe(true);
});

it("gets its inbox when it has read what came before, and is given up after half a minute", async () => {
  const reader = { bufferedAmount: 300_000 };
  const sent: Downstream[] = [];
  const onSlow = vi.fn<() => void>();
  const options = {
    query: () => Promise.resolve([]),
    hub,
    inbox: { project: "p", agent: "a" },
    after: 3,
  };
  const start = (): InboxPump =>
    new InboxPump(options, {
      socket: reader,
      send: (frame) => void sent.push(frame),
      onSlow,
      onProblem: (problem) => expect.unreachable(problem.message),
    });
  const first = start();
  await vi.advanceTimersByTimeAsync(29_000);
  expect(sent).toEqual([]);
  reader.bufferedAmount = 0;
  await vi.advanceTimersByTimeAsync(100);
  expect(sent).toEqual([{ type: "caught-up", seq: 7 }]);
  first.stop();
  reader.bufferedAmount = 300_000;
  const second = start();
  await vi.advanceTimersByTimeAsync(31_000);
  expect(onSlow).toHaveBeenCalledOnce();
  expect(sent).toHaveLength(1);
  second.stop();
});
