import { describe, expect, it } from "vitest";
import { Settings } from "../../server/settings.ts";

const settings = (...prefixes: string[]) =>
  Settings.safeParse({
    data: "data",
    oidc: prefixes.map((userPrefix, i) => ({
      issuer: `https://issuer-${i}.example`,
      jwksUri: `https://issuer-${i}.example/jwks`,
      audience: "gridpost",
      userPrefix,
    })),
  });

describe("the settings of outside issuers", () => {
  it("keep the users of one apart from those of another", () => {
    expect(settings("corp-", "lab-").success).toBe(true);
    for (const prefixes of [
      ["corp-", "corp-lab-"],
      ["corp-lab-", "corp-"],
      ["corp-", "corp-"],
    ])
      expect(settings(...prefixes).error?.issues).toMatchObject([
        { path: ["oidc"], message: expect.stringContaining("userPrefix") as unknown },
      ]);
  });

  it("name each issuer once: of two entries one would be ignored", () => {
    const entry = {
      issuer: "https://id.example",
      jwksUri: "https://id.example/jwks",
      audience: "gridpost",
    };
    const oidc = ["a-", "b-"].map((userPrefix) => ({ ...entry, userPrefix }));
    expect(Settings.safeParse({ data: "data", oidc }).error?.issues).toMatchObject([
      { path: ["oidc"], message: "each issuer may stand here once" },
    ]);
  });
});
