import { describe, expect, it } from "vitest";
import { describe as described, failureOf } from "../../agent-cli/failure.ts";
import type { Verdict } from "../../agent-cli/guard-ask.ts";
import { describeVerdict } from "../../agent-cli/guard-report.ts";
import { ProblemError } from "../../contract/problem-error.ts";
import { UnreachableError } from "../../contract/transport.ts";

describe("a failure", () => {
  it("repeats the command with its key before what follows --", () => {
    const error = new UnreachableError("cannot reach it", "k", undefined);
    const argv = ["reserve", "a b", "--key", "old", "--", "make"];
    expect(failureOf(error, { argv, key: "k" }).problem.next).toBe(
      "gridpost reserve 'a b' --key k -- make",
    );
  });

  it("advises a command in the project that the flag has named", () => {
    const advised = (next: string, ...argv: string[]): string | undefined =>
      failureOf(new ProblemError("NOT_FOUND", "x", { next }), { argv, key: undefined }).problem
        .next;
    const inbox = ["inbox", "--project", "llm-serving"];
    expect(advised("gridpost agent register blue", ...inbox)).toBe(
      "gridpost agent register blue --project llm-serving",
    );
    expect(advised("list the agents: gridpost agent ls", "inbox", "--project=k")).toBe(
      "list the agents: gridpost agent ls --project k",
    );
    expect(advised("gridpost reserve PATTERN -- COMMAND", ...inbox)).toBe(
      "gridpost reserve PATTERN --project llm-serving -- COMMAND",
    );
    for (const next of ["gridpost reserve --help", "gridpost join, then POST /v1/auth/token"])
      expect(advised(next, ...inbox)).toBe(next);
    expect(advised("gridpost agent ls", "inbox", "--", "--project", "x")).toBe("gridpost agent ls");
  });

  it("names a duration as it was given, and leaves days that the server names alone", () => {
    const of = (what: string): string => {
      const error = new ProblemError("BAD_REQUEST", `body.ttlMs: ${what}`, {
        next: "see POST /v1/leases in /openapi.json",
      });
      return failureOf(error, { argv: ["reserve", "a", "--ttl", "8d"], key: undefined }).problem
        .message;
    };
    expect(of("must be at least 60000")).toBe("--ttl: must be at least 1m");
    expect(of("a lease lives for at most 7 days")).toBe("--ttl: a lease lives for at most 7 days");
  });

  it("says how long to wait where the server does", () => {
    const error = new ProblemError("RATE_LIMITED", "too much", { retryAfterMs: 53_001, next: "n" });
    expect(described(failureOf(error, { argv: [], key: undefined }))).toBe(
      "gridpost: too much\nwait: 54 s\nnext: n",
    );
  });

  it("asks about the very path that others hold, whatever is in its name", () => {
    const lease = {
      pattern: "docs/**",
      holder: "red",
      expiresAt: null,
      reason: null,
      thread: null,
    };
    const blocked = [{ ...lease, path: "docs/it's.md" } as Verdict["blocked"][number]];
    const verdict: Verdict = { verdict: "blocked", blocked, from: "server", why: null };
    expect(describeVerdict(verdict)).toContain(
      String.raw`ask: gridpost send red -s 'may I change docs/it'\''s.md?'`,
    );
  });

  it("names options as they were given, and durations as people write them", () => {
    const refused = (mistake: string, ...argv: string[]): string => {
      const [path = "", message = ""] = mistake.split(": ");
      const details = [{ path, message }];
      const next = "see POST /v1/x in /openapi.json";
      const error = new ProblemError("BAD_REQUEST", `${mistake} (and 1 more)`, { details, next });
      const { problem } = failureOf(error, { argv, key: undefined });
      expect(problem.details[0]).toEqual({
        path: problem.message.split(": ")[0],
        message: expect.any(String),
      });
      return problem.message;
    };
    expect(refused("body.ttlMs: must be at least 60000", "renew", "x", "--ttl=5s")).toBe(
      "--ttl: must be at least 1m (and 1 more)",
    );
    expect(
      refused("body.expiresAfterMs: must be at least 1000", "send", "--expires", "0s", "--ack"),
    ).toBe("--expires: must be at least 1s (and 1 more)");
    expect(refused("body.refs.0: x", "reserve", "a", "--ref", "a b")).toBe("--ref: x (and 1 more)");
    expect(refused("params.message: is no id", "read", "--peek")).toBe(
      "message: is no id (and 1 more)",
    );
  });

  it("puts its message on one line, and details and advice below", () => {
    const error = new ProblemError("CONFLICT", "first\nsecond", {
      details: [{ pattern: "src/**", holder: "red", thread: null }],
      next: "wait",
    });
    expect(described(failureOf(error, { argv: [], key: undefined }))).toBe(
      "gridpost: first second\n  src/**: red holds src/**\nnext: wait",
    );
  });
});
