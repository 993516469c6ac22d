import { describe, expect, it } from "vitest";
import { Payload } from "../../contract/mail/text.ts";

const read = (data: string) => {
  const { success, error } = Payload.safeParse(JSON.parse(`{"kind":"a","data":${data}}`));
  return success ? "taken" : error.issues.map(({ message }) => message).join();
};
const nested = (levels: number): string => `{"x":${"[".repeat(levels)}${"]".repeat(levels)}}`;

describe("a payload", () => {
  it("is any JSON object", () => {
    expect(read('{"a":[1,null,{"b":"😀 \\\\u0000"}],"c":true}')).toBe("taken");
    expect(read("[1]")).not.toBe("taken");
  });

  it.each(["\\u0000", "\\ud800", "a\\udc00b"])(
    "is refused with %s in a value or a name",
    (text) => {
      expect(read(`{"a":{"b":["${text}"]}}`)).toContain("NUL characters");
      expect(read(`{"a":[{"${text}":1}]}`)).toContain("NUL characters");
      expect(read('{"x\\ud83d":1,"\\ude00":2}')).toContain("NUL characters");
    },
  );

  it("is refused when it is nested too deep, however deep that is", () => {
    expect(read(nested(31))).toBe("taken");
    for (const levels of [32, 5_000]) expect(read(nested(levels))).toContain("32 levels");
  });

  it("is refused above 64 KiB", () => {
    expect(read(`{"x":"${"é".repeat(32_760)}"}`)).toBe("taken");
    expect(read(`{"x":"${"é".repeat(32_769)}"}`)).toContain("65536 bytes");
  });
});
