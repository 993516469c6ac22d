import { IncomingMessage } from "node:http";

/**
 * A request as Node reads it, but of the protocols that a client offers to change to only WebSocket counts: whoever offers
 * another (`Upgrade: h2c`) is served over HTTP/1.1 as if they had offered none (RFC 9110 7.8).
 */
export class OfferingRequest extends IncomingMessage {
  // Node writes the accessor before any initializer would run, and decides by it what to do with the connection.
  declare private offers: boolean | null;

  get upgrade(): boolean {
    return this.offers === true && (this.method === "CONNECT" || asksForWebSocket(this));
  }

  set upgrade(offers: boolean | null) {
    this.offers = offers;
  }
}

const asksForWebSocket = ({ headers }: IncomingMessage): boolean =>
  headers.upgrade?.toLowerCase() === "websocket";
