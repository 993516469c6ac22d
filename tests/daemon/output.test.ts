import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BoundedLog } from "../../daemon/output/bounded-log.ts";
import { Lines } from "../../daemon/output/lines.ts";
import { PlainText } from "../../daemon/output/plain-text.ts";
import { Redactor } from "../../daemon/output/redactor.ts";
import { formsOf, secretsOf } from "../../daemon/output/secrets.ts";

/** Cuts at the given places, which may repeat and lie anywhere. */
function pieces<T extends string | Buffer>(whole: T, cuts: readonly number[]): T[] {
  const places = [0, ...cuts.map((cut) => cut % (whole.length + 1)), whole.length].toSorted(
    (a, b) => a - b,
  );
  return places.slice(1).map((place, i) => whole.slice(places[i], place) as T);
}

const cuts = fc.array(fc.nat(5_000), { maxLength: 12 });

function redact(secrets: readonly string[], parts: readonly string[]): string {
  const redactor = new Redactor(secrets);
  return parts.map((part) => redactor.push(part)).join("") + redactor.end();
}

function plain(parts: readonly Buffer[]): string {
  const text = new PlainText();
  return parts.map((part) => text.push(part)).join("") + text.end();
}

describe("the redactor", () => {
  const secret = fc.string({ minLength: 6, maxLength: 40, unit: "grapheme" });

  it("lets no form of a secret through, wherever the text is cut", () => {
    fc.assert(
      fc.property(
        fc.array(secret, { minLength: 1, maxLength: 3 }),
        fc.array(fc.string({ unit: "grapheme", maxLength: 20 }), { maxLength: 6 }),
        fc.tuple(cuts, fc.nat()),
        (secrets, words, [places, pick]) => {
          const forms = secrets.flatMap(formsOf);
          const text = words.map((word, i) => word + forms[(pick + i) % forms.length]).join("");
          const out = redact(secrets, pieces(text, places));
          const left = out.replaceAll("[redacted]", "\u0001");
          expect(forms.filter((form) => left.includes(form))).toEqual([]);
        },
      ),
      { numRuns: 500 },
    );
  });

  it("gives the same text wherever it is cut", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.constantFrom("secret-value", "cret-valuesec", "hf_" + "a".repeat(24), " ", "\n"),
            fc.string({ maxLength: 8 }),
          ),
          { maxLength: 12 },
        ),
        cuts,
        (words, places) => {
          const text = words.join("");
          const secrets = ["secret-value", "valuesecret"];
          expect(redact(secrets, pieces(text, places))).toBe(redact(secrets, [text]));
        },
      ),
      { numRuns: 500 },
    );
  });

  it("masks a base64 copy at each shift, alone in its line", () => {
    const value = "correct horse battery";
    for (const before of ["", "x", "xy", "xyz"]) {
      const coded = Buffer.from(`${before}${value}\n`).toString("base64");
      const out = redact([value], [coded]);
      const core = Buffer.from(value).toString("base64").slice(4, 20);
      expect(out).toContain("[redacted]");
      expect(out).not.toContain(core);
    }
  });

  it("knows tokens by their look, also in a run longer than its window", () => {
    const token = `hf_${"Q".repeat(34)}`;
    expect(redact([], [`got ${token.slice(0, 9)}`, `${token.slice(9)} ok`])).toBe(
      "got [redacted] ok",
    );
    const long = `x hf_${"a".repeat(9_000)}`;
    const out = redact([], [long, "b".repeat(9_000), " end"]);
    expect(out).toBe("x [redacted] end");
  });

  it("takes the values of variables that are named as secrets, and no short ones", () => {
    expect(
      secretsOf({
        HF_TOKEN: "abcdef1",
        MONKEY: "banana7",
        DB_PASSWORD: "12345",
        API_KEY: "k-123456",
      }),
    ).toEqual(["abcdef1", "k-123456"]);
  });
});

describe("a secret with line ends", () => {
  const masked = (value: string, printed: string): string =>
    redact(secretsOf({ API_TOKEN: value }), [plain([Buffer.from(printed)])]);

  it.each(["s3cret-value\n", "s3cret-value\r\n", " s3cret-value \n\n"])(
    "is masked without what YAML's | or an editor has put around it: %j",
    (value) => {
      expect(masked(value, "got s3cret-value\nnext")).toBe("got [redacted]\nnext");
      expect(masked(value, `got ${value.trimEnd()}, and`)).not.toContain("s3cret");
      expect(masked(value, Buffer.from(value).toString("base64"))).toContain("[redacted]");
    },
  );

  it.each(["\n", "\r\n"])("is masked whole and line by line, with lines that end in %j", (end) => {
    const value = ["first-half", "  second-half", "}", ""].join(end);
    expect(masked(value, `got ${value}next }`)).toBe("got [redacted]\nnext }");
    expect(masked(value, "x second-half }\ny first-half")).toBe("x [redacted] }\ny [redacted]");
    expect(masked(value, JSON.stringify(value))).not.toMatch(/first|second/);
  });
});

describe("plain text", () => {
  it("is the same wherever the bytes are cut", () => {
    const unit = fc.oneof(
      fc.constantFrom(
        "\u001b[1;31m",
        "\u001b]0;title\u0007",
        "\u001b]8;;x\u001b\\",
        "\r",
        "\r\n",
        "\u001b",
        "é",
        "\u0007",
      ),
      fc.string({ maxLength: 4 }),
    );
    fc.assert(
      fc.property(fc.array(unit, { maxLength: 12 }), cuts, (units, places) => {
        const bytes = Buffer.from(units.join(""));
        expect(plain(pieces(bytes, places))).toBe(plain([bytes]));
      }),
      { numRuns: 500 },
    );
  });

  it("drops colours and controls, keeps tabs and line ends, marks invalid bytes", () => {
    const bytes = Buffer.concat([Buffer.from("a\u001b[31mb\u0000\tc\r\nd"), Buffer.from([0xff])]);
    expect(plain([bytes])).toBe("ab\tc\nd\uFFFD");
  });
});

describe("the bounded log", () => {
  it("keeps whole lines of head and tail and says how much it dropped", () => {
    const log = new BoundedLog();
    for (let i = 0; i < 200_000; i += 1) log.write(`${String(i).padStart(79, "0")}\n`);
    const text = log.text();
    expect(text.length).toBeLessThan(5.1 * 2 ** 20);
    const dropped = Number(/\[… (\d+) bytes dropped\]/.exec(text)?.[1]);
    const marker = `[… ${dropped} bytes dropped]\n`;
    expect(Buffer.byteLength(text) - Buffer.byteLength(marker) + dropped).toBe(16_000_000);
    expect(text.startsWith("0".repeat(79))).toBe(true);
    expect(text.endsWith(`${String(199_999).padStart(79, "0")}\n`)).toBe(true);
    expect(text.split("\n").filter((line) => line.length !== 79 && line !== "")).toHaveLength(1);
  });

  it("goes on from a snapshot as if nothing had happened", () => {
    const whole = new BoundedLog();
    let restored = new BoundedLog();
    for (let i = 0; i < 300; i += 1) {
      const line = `${i} ${"x".repeat(16_000)}\n`;
      whole.write(line);
      restored.write(line);
      if (i % 50 === 0) restored = BoundedLog.restore(restored.snapshot());
    }
    expect(restored.text()).toBe(whole.text());
    expect(restored.total).toBe(whole.total);
  });

  it("caps a line without an end in bounded memory", () => {
    const lines = new Lines();
    for (let i = 0; i < 1_000; i += 1) expect(lines.push("y".repeat(65_536))).toEqual([]);
    const [line] = lines.push("\n");
    expect(line).toHaveLength(16_384 + " [… line cut]\n".length);
  });
});
