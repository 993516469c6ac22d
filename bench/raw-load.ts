import { connect } from "node:net";
import type { Timed } from "./measure.ts";

export interface RawLoad {
  /** `http://HOST:PORT`. */
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
  /** The next request with its head, as it goes over the wire. */
  readonly next: () => string;
}

/**
 * Sends requests over connections that stay open, on each the next when the last was answered: a client of a few dozen
 * microseconds a request, so that what is measured is the server. @throws for the first answer that is not 200
 */
export async function rawLoad(load: RawLoad): Promise<Timed> {
  const from = performance.now();
  const until = from + load.seconds * 1_000;
  const connections = Array.from({ length: load.connections }, () => oneConnection(load, until));
  const times = (await Promise.all(connections)).flat();
  return { times, tookMs: performance.now() - from };
}

function oneConnection({ url, next }: RawLoad, until: number): Promise<number[]> {
  const { hostname: host, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const times: number[] = [];
    const socket = connect({ host, port: Number(port), noDelay: true });
    let from = 0;
    let answer = "";
    const send = (): void => {
      from = performance.now();
      if (from < until) socket.write(next());
      else {
        resolve(times);
        socket.end();
      }
    };
    socket.setEncoding("latin1").on("data", (text: string) => {
      answer += text;
      if (!isWhole(answer)) return;
      if (!answer.startsWith("HTTP/1.1 200 ")) socket.destroy(new Error(`refused: ${answer}`));
      answer = "";
      times.push(performance.now() - from);
      send();
    });
    socket.once("connect", send).once("error", reject);
    socket.once("close", () => reject(new Error("the server closed a connection")));
  });
}

function isWhole(answer: string): boolean {
  const head = answer.indexOf("\r\n\r\n");
  const length = /\r\ncontent-length: (\d+)/i.exec(answer)?.[1];
  return head >= 0 && length !== undefined && answer.length >= head + 4 + Number(length);
}
