import { describe, expect, it } from "vitest";
import { duration } from "../../agent-cli/arguments.ts";
import { parseCommandLine } from "../../agent-cli/command-line.ts";
import type { Api } from "../../agent-cli/api.ts";
import { readInbox, restOf } from "../../agent-cli/commands/inbox.ts";
import { restoredView } from "../../agent-cli/commands/archive.ts";
import { followLog, type LogPart, wholeLog } from "../../agent-cli/run-log.ts";
import { UnreachableError } from "../../contract/transport.ts";
import { printer } from "../../agent-cli/commands/watch.ts";
import type { Output } from "../../agent-cli/output.ts";
import { renderTerminal } from "../../agent-cli/terminal.ts";
import { record, relativeTime, renderPlain, table, text, type View } from "../../agent-cli/view.ts";

describe("a duration on the command line", () => {
  it("has a unit, and is at most a year", () => {
    expect(duration("1.5h")).toBe(5_400_000);
    expect(() => duration("30")).toThrow("a number with a unit");
    expect(() => duration("200000000000d")).toThrow("it is more than 365d");
  });
});

describe("an inbox", () => {
  const none = { messages: [], next: 0, more: false };
  /** Calls that answer, or fail as those to a server that is away. */
  const answering = (...answers: (object | null)[]) => {
    let calls = 0;
    return (() => {
      const answer = answers[calls++];
      const away = new UnreachableError("cannot reach it", undefined, null);
      return answer === null || answer === undefined
        ? Promise.reject(away)
        : Promise.resolve(answer);
    }) as unknown as Api;
  };
  const request = { project: "default", query: {}, waitMs: 30_000 };

  it("is waited for while the server is restarted, but not at one that is away", async () => {
    const mail = { messages: [{ seq: 1 }], next: 1, more: false };
    expect(await readInbox(answering(none, null, none, mail), request)).toEqual(mail);
    await expect(readInbox(answering(null, mail), request)).rejects.toThrow("cannot reach it");
    const brief = { ...request, waitMs: 20 };
    await expect(readInbox(answering(none, null, null), brief)).rejects.toThrow("cannot reach it");
  });

  it("says how to see the rest of it with the filters that were given", () => {
    expect(restOf(undefined, { next: 40 })).toBe("older ones: the same command with --after 0");
    expect(restOf(7, { next: 40 })).toBe("more: the same command with --after 40");
  });
});

describe("the log of a run", () => {
  /** Pages of four characters, as the server gives them of the log that there is at each call. */
  const paged = (logs: { attempt: string; text: string; ended: boolean }[]) => {
    let calls = 0;
    return (after: number): Promise<LogPart> => {
      const { attempt, text, ended } = logs[Math.min(calls++, logs.length - 1)]!;
      const part = text.slice(after, after + 4);
      const next = after + part.length;
      return Promise.resolve({
        attempt: attempt as LogPart["attempt"],
        text: part,
        next,
        done: ended && part === "",
      });
    };
  };

  it("is printed to its end, also after the run has ended", async () => {
    const page = paged([{ attempt: "a", text: "the whole log", ended: true }]);
    expect((await wholeLog(page, 0)).text).toBe("the whole log");
    const printed: string[] = [];
    await followLog(page, 4, { write: (_, text) => printed.push(text), note: () => undefined });
    expect(printed.join("")).toBe("whole log");
  });

  it("is followed on when the server comes back, and not begun while it is away", async () => {
    const page = paged([{ attempt: "a", text: "the whole log", ended: true }]);
    const away = new UnreachableError("cannot reach it", undefined, null);
    let calls = 0;
    const cut = (from: number): Promise<LogPart> =>
      ++calls === 2 ? Promise.reject(away) : page(from);
    const printed: string[] = [];
    const out = { write: (_: unknown, text: string) => printed.push(text), note: () => undefined };
    await followLog(cut, 0, out);
    expect(printed.join("")).toBe("the whole log");
    await expect(followLog(() => Promise.reject(away), 0, out)).rejects.toBe(away);
  });

  it("is begun again when another attempt takes over, and says so", async () => {
    const first = { attempt: "a", text: "first attempt", ended: false };
    const page = paged([first, first, { attempt: "b", text: "second", ended: true }]);
    const printed: string[] = [];
    await followLog(page, 0, {
      write: (_, text) => printed.push(text),
      note: (line) => printed.push(`[${line}]`),
    });
    expect(printed.join("")).toBe(
      "first at[the run is tried again; this is the log of attempt b:]second",
    );
    const whole = await wholeLog(paged([first, { attempt: "b", text: "second", ended: false }]), 0);
    expect(whole.text).toBe("firs");
  });
});

describe("the words of a command line", () => {
  it("may have options before the noun", () => {
    expect(parseCommandLine(["--as", "blue", "--json", "inbox", "--unread"])).toEqual({
      noun: "inbox",
      rest: ["--unread", "--as", "blue", "--json"],
      trailing: undefined,
      json: true,
    });
  });

  it("leave what follows -- alone", () => {
    expect(parseCommandLine(["reserve", "src/**", "--", "make", "--json"])).toEqual({
      noun: "reserve",
      rest: ["src/**"],
      trailing: ["make", "--json"],
      json: false,
    });
  });

  it("hand on what follows -- to every command but reserve, as words that are no options", () => {
    expect(parseCommandLine(["--as", "blue", "search", "--", "-draft"]).rest).toEqual([
      "--as",
      "blue",
      "--",
      "-draft",
    ]);
  });

  it("know leases as lease, and alone as lease ls", () => {
    const parsed = (...words: string[]): unknown => {
      const { noun, rest } = parseCommandLine(words);
      return [noun, ...rest];
    };
    expect(parsed("leases")).toEqual(["lease", "ls"]);
    expect(parsed("leases", "--mine")).toEqual(["lease", "ls", "--mine"]);
    expect(parsed("leases", "show", "x")).toEqual(["lease", "show", "x"]);
  });
});

describe("what is shown", () => {
  const rows = [
    ["1", "日本語", { time: "2026-11-20T10:00:00.000Z" }],
    ["12", `evil\u001B[2Jtext\u0008`, null],
  ];
  const view = table(["SEQ", "SUBJECT", "SENT"], rows, "none");

  it("has no header and no control characters in a pipe", () => {
    expect(renderPlain(view)).toBe("1\t日本語\t2026-11-20T10:00:00.000Z\n12\teviltext\uFFFD\t");
  });

  it("names the files that a restored server lacks, not too many", () => {
    const missing = (count: number) =>
      Array.from({ length: count }, (_, i) => ({ sha256: `hash-${i}`, size: 1 }));
    const shown = (count: number): string[] =>
      renderPlain(
        restoredView({
          data: "d",
          commit: "c",
          lastSeq: 1,
          epoch: 2,
          missingBlobs: missing(count),
        }),
      )
        .split("\n")
        .filter((line) => line.startsWith("missing\t"));
    expect(shown(2)).toEqual(["missing\thash-0", "missing\thash-1"]);
    expect(shown(23).slice(-2)).toEqual(["missing\thash-19", "missing\t3 more; --json lists all"]);
  });

  it("is aligned by display width on a terminal, and no wider than it", () => {
    const shown = renderTerminal(view, { columns: 80 });
    // eslint-disable-next-line no-control-regex -- colours are there or not as the test's terminal has them
    const lines = shown.replaceAll(/\u001B\[\d+m/g, "").split("\n");
    expect(lines.map((line) => line.slice(0, 3))).toEqual(["SEQ", "1  ", "12 "]);
    expect(lines[1]).toContain("日本語");
    const long = table(["A", "B"], [["x ".repeat(100), "y".repeat(20)]], "none");
    const [, row = ""] = renderTerminal(long, { columns: 40 }).split("\n");
    expect(row).toMatch(/^(x ?)+…\s+y{20}$/);
    expect(row.length).toBeLessThanOrEqual(40);
    const wide = table(["A", "B"], [["測".repeat(60), "y".repeat(20)]], "none");
    expect(renderTerminal(wide, { columns: 40 }).split("\n")[1]).toBe(
      `${"測".repeat(8)}… ${" ".repeat(2)}${"y".repeat(20)}`,
    );
  });

  it("leaves out for people what its row says already, and for programs nothing", () => {
    const thread = "01a200f0-dc03-7000-91e9-bde0fe7579b4";
    const own = table(["SEQ", "THREAD"], [[1, { implied: thread }]], "none");
    expect(renderTerminal(own, { columns: 80 })).not.toContain(thread);
    expect(renderPlain(own)).toBe(`1\t${thread}`);
  });

  it("has one header, however many of its rows come later", async () => {
    const shown: string[] = [];
    const show = (_: unknown, one: View): Promise<void> => {
      shown.push(renderTerminal(one, { columns: 80 }));
      return Promise.resolve();
    };
    const print = printer({ show } as Output);
    const message = { seq: 1, from: "blue", subject: "Numbers", readAt: null, importance: "low" };
    for (const seq of [1, 2]) await print({ ...message, seq } as Parameters<typeof print>[0]);
    expect(shown.map((text) => text.includes("SUBJECT"))).toEqual([true, false]);
    expect(shown[1]).toMatch(/^2 .*Numbers/);
  });

  it("keeps a terminal from obeying a text", () => {
    expect(renderTerminal(text("a\u001B]0;title\u0007b\nc\td"), {})).not.toContain("\u001B");
    expect(renderTerminal(record([["subject", "a\u009Bb"]]), {})).not.toContain("\u009B");
  });

  it("says when in the largest unit", () => {
    const now = Date.parse("2026-11-20T10:00:00.000Z");
    expect(relativeTime("2026-11-20T09:57:10.000Z", now)).toBe("2m ago");
    expect(relativeTime("2026-11-21T11:00:00.000Z", now)).toBe("in 1d");
    expect(relativeTime("2026-11-20T10:00:00.500Z", now)).toBe("now");
  });
});
