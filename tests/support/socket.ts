import { EventEmitter } from "node:events";
import type { Downstream } from "../../contract/stream.ts";

/** A socket whose reader has taken nothing of `bufferedAmount` bytes. */
export class Socket extends EventEmitter {
  readonly OPEN = 1;
  readyState = 1;
  bufferedAmount = 0;
  readonly sent: Downstream[] = [];
  closed: number | undefined;
  cut = false;

  send(text: string): void {
    this.sent.push(JSON.parse(text) as Downstream);
  }

  close(code: number): void {
    this.closed = code;
  }

  terminate(): void {
    this.cut = true;
  }
}
