import { once } from "node:events";
import WebSocket from "ws";
import { Downstream } from "../contract/stream.ts";
import { agentName, type MailServer } from "./mail-http.ts";
import type { Timed } from "./measure.ts";

/** From the call that sends a message to the frame at its recipient, one message after the other. */
export async function wakeUps({ url, tokens }: MailServer, messages: number): Promise<Timed> {
  const socket = new WebSocket(`${url.replace(/^http/, "ws")}/v1/stream`, {
    headers: { authorization: `Bearer ${tokens[0] ?? ""}` },
  });
  await once(socket, "open");
  let arrived: (() => void) | undefined;
  let caughtUp: (() => void) | undefined;
  socket.on("message", (data: Buffer) => {
    const frame = Downstream.safeParse(JSON.parse(data.toString()));
    if (frame.data?.type === "message") arrived?.();
    if (frame.data?.type === "caught-up") caughtUp?.();
  });
  const ready = new Promise<void>((resolve) => (caughtUp = resolve));
  socket.send(JSON.stringify({ type: "subscribe.inbox", project: "default", after: 0 }));
  await ready;
  const times: number[] = [];
  const start = performance.now();
  for (let n = 0; n < messages; n += 1) {
    const frame = new Promise<void>((resolve) => (arrived = resolve));
    const from = performance.now();
    await Promise.all([frame, send(url, tokens[1] ?? "", n)]);
    times.push(performance.now() - from);
  }
  socket.close();
  return { times, tookMs: performance.now() - start };
}

async function send(url: string, token: string, n: number): Promise<void> {
  const answer = await fetch(`${url}/v1/projects/default/messages`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify({ to: [agentName(0)], subject: `wake ${n}` }),
  });
  if (!answer.ok) throw new Error(await answer.text());
  await answer.arrayBuffer();
}
