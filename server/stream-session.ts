import type { RawData, WebSocket } from "ws";
import type { ProblemCode, ProblemError } from "../contract/problem.ts";
import { type Downstream, Upstream } from "../contract/stream.ts";
import type { Query } from "../storage/db.ts";
import { FrameBudget } from "./frame-budget.ts";
import type { Hub } from "./hub.ts";
import type { Authenticated, Authenticator } from "./identity/authenticate.ts";
import { InboxPump } from "./inbox-pump.ts";
import { WORK_TOPIC } from "./topics.ts";

/** Hints to one node are at least so far apart. */
const WORK_PAUSE_MS = 50;
/** Sockets close with the HTTP status in the private range of codes. */
const CLOSE_BY_STATUS = 4_000;
const CLOSE_UNAUTHENTICATED = 4_401;
const CLOSE_SLOW = 4_408;
const CLOSE_TOO_MANY = 4_429;
/** What a reader has not taken of what it was sent; beyond it comes back later, and goes on by its cursor. */
const MAX_UNREAD_BYTES = 1_048_576;
/** `setTimeout` fires at once for anything longer than this. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** Let the problem frame and the close frame out before the socket is cut. */
const CUT_MS = 2_000;

export interface SessionDeps {
  readonly gate: { readonly auth: Authenticator };
  readonly hub: Hub;
  readonly query: Query;
  readonly now: () => number;
  /** Milliseconds that never run backwards. */
  readonly monotonic: () => number;
  readonly caller: Authenticated;
}

/** One socket and what its caller has subscribed to. */
export class StreamSession {
  private readonly socket: WebSocket;
  private readonly deps: SessionDeps;
  private expiry: NodeJS.Timeout;
  private inbox: InboxPump | undefined;
  private endHints: (() => void) | undefined;
  private readonly budget: FrameBudget;
  private unanswered = 0;
  private ending = false;

  constructor(socket: WebSocket, deps: SessionDeps) {
    this.socket = socket;
    this.deps = deps;
    this.budget = new FrameBudget(deps.monotonic);
    this.expiry = this.watchEnd();
    socket.on("message", (data) => this.onFrame(data));
    socket.on("error", () => socket.terminate());
    socket.once("close", () => this.onClose());
  }

  /** Nothing is laid up for a reader that takes nothing: its socket closes instead. */
  send(frame: Downstream): void {
    if (this.ending || this.socket.readyState !== this.socket.OPEN) return;
    if (this.socket.bufferedAmount > MAX_UNREAD_BYTES) this.endSlow();
    else this.socket.send(JSON.stringify(frame));
  }

  /** Its principal has as many sockets as it may. */
  refuse(most: number): void {
    const { id } = this.deps.caller.principal;
    const message = `${id} has ${most} streams open: close one, then connect anew`;
    this.end(CLOSE_TOO_MANY, "RATE_LIMITED", message);
  }

  /** Sends a ping; cuts the socket if the last two were not answered. */
  ping(): void {
    if (this.unanswered++ >= 2) this.socket.terminate();
    else this.send({ type: "ping" });
  }

  /** Closes the socket if its token has ended, was revoked, or gives less than it did, and when nobody can tell. */
  async recheck(): Promise<void> {
    const { caller, gate } = this.deps;
    if (!(await gate.auth.stillValid(caller).catch(() => false))) this.expire();
  }

  /** Says why, then closes. */
  end(code: number, problem: ProblemCode, message: string): void {
    if (this.ending) return;
    if (this.socket.bufferedAmount <= MAX_UNREAD_BYTES)
      this.send({ type: "problem", code: problem, message });
    this.ending = true;
    this.inbox?.stop();
    this.endHints?.();
    this.socket.close(code, message.slice(0, 100));
    setTimeout(() => this.socket.terminate(), CUT_MS).unref();
  }

  /** Tokens of outside issuers may live longer than a timer can wait. */
  private watchEnd(): NodeJS.Timeout {
    const left = this.deps.caller.claims.exp - this.deps.now();
    if (left <= MAX_TIMER_MS) return setTimeout(() => this.expire(), Math.max(0, left));
    return setTimeout(() => (this.expiry = this.watchEnd()), MAX_TIMER_MS);
  }

  private expire(): void {
    const message = "the access token has ended, was revoked or gives less; connect anew";
    this.end(CLOSE_UNAUTHENTICATED, "UNAUTHENTICATED", message);
  }

  private endSlow(): void {
    const message = "frames are not read fast enough; connect anew with the last seq that was read";
    this.end(CLOSE_SLOW, "RATE_LIMITED", message);
  }

  private onClose(): void {
    clearTimeout(this.expiry);
    this.inbox?.stop();
    this.endHints?.();
  }

  private onFrame(data: RawData): void {
    this.unanswered = 0;
    if (this.ending) return;
    if (!this.budget.take()) {
      this.end(CLOSE_TOO_MANY, "RATE_LIMITED", "more frames than a stream may send");
      return;
    }
    const frame = parseFrame(data);
    if (frame === undefined)
      this.send(refusal("this is not a frame that the server knows", "BAD_REQUEST"));
    else if (frame.type === "subscribe.inbox") this.subscribeInbox(frame.project, frame.after);
    else if (frame.type === "subscribe.work") this.subscribeWork();
  }

  private subscribeInbox(project: string, after: number): void {
    const { principal } = this.deps.caller;
    if (principal.kind !== "agent" || principal.project !== project) {
      const message = `${principal.id} has no inbox in project ${project}; act as an agent of it`;
      return this.send(refusal(message));
    }
    if (!principal.scopes.has("mail:read"))
      return this.send(refusal(`${principal.id} lacks the scope mail:read`));
    this.inbox?.stop();
    const inbox = { project, agent: principal.name };
    this.inbox = new InboxPump(
      { ...this.deps, inbox, after },
      {
        socket: this.socket,
        send: (frame) => this.send(frame),
        onSlow: () => this.endSlow(),
        onProblem: (problem) => this.onProblem(problem),
      },
    );
  }

  /** What the client cannot put right ends its socket: it connects anew and goes on where it was. */
  private onProblem({ status, code, message }: ProblemError): void {
    if (status < 500) this.send(refusal(message, code));
    else this.end(CLOSE_BY_STATUS + status, code, message);
  }

  private subscribeWork(): void {
    if (this.deps.caller.principal.kind !== "node")
      return this.send(refusal("only nodes subscribe to work"));
    const hint = (): void => this.send({ type: "work" });
    this.endHints ??= subscribeHints(this.deps.hub, hint);
    hint();
  }
}

const refusal = (message: string, code: ProblemCode = "FORBIDDEN"): Downstream => ({
  type: "problem",
  code,
  message,
});

function parseFrame(data: RawData): Upstream | undefined {
  try {
    const text = Buffer.isBuffer(data) ? data.toString() : "";
    return Upstream.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** At once for the first of a burst, and once more after a pause if there was another. */
function subscribeHints(hub: Hub, hint: () => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  let again = false;
  const fire = (): void => {
    if (timer !== undefined) {
      again = true;
      return;
    }
    hint();
    timer = setTimeout(() => {
      timer = undefined;
      if (again) fire();
      again = false;
    }, WORK_PAUSE_MS);
  };
  const unsubscribe = hub.subscribe(WORK_TOPIC, fire);
  return () => {
    unsubscribe();
    clearTimeout(timer);
  };
}
