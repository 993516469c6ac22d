import { describe, expect, it } from "vitest";
import { findSecret, findSecretIn } from "../../contract/secrets.ts";

describe("the search for secrets", () => {
  const secrets = {
    "private key": "-----BEGIN OPENSSH PRIVATE KEY-----",
    "AWS access key": "AKIAIOSFODNN7EXAMPLE",
    "GitHub token": `ghp_${"a1B2c3".repeat(6)}`,
    "Hugging Face token": `hf_${"AbCdEfGhIj".repeat(3)}xy12`,
    "OpenAI or Anthropic key": `sk-ant-api03-${"x1Y2".repeat(10)}`,
    "Slack token": "xoxb-123456789012-abcdef",
    "Gridpost join token": `gpj_${"aB".repeat(11)}.${"x".repeat(43)}`,
    "JSON Web Token": `eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ1c2VyIn0.${"Ab1_".repeat(8)}`,
    "password in an address": "https://anna:hunter22hunter@example.org/x.git",
    "value of a secret": "DB_PASSWORD=9fK2xQ7vLm3Rt8Zw",
  };

  it.each(Object.entries(secrets))("finds a %s in a text", (kind, secret) => {
    expect(findSecret(`please use ${secret} today`)).toMatchObject({ kind });
  });

  it.each([
    "set HF_TOKEN=$HF_TOKEN before you start",
    "the token: ${{ secrets.NPM_TOKEN }}",
    "max_tokens: 4096, tokenizer = meta-llama/Llama-3.1-8B",
    "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "api_key = <your key here, please>",
    "password: the usual one",
    "https://example.org/a:b@c",
  ])("leaves %s alone", (text) => {
    expect(findSecret(text)).toBeUndefined();
  });

  it("looks through a megabyte of dots and letters in no time", () => {
    const from = performance.now();
    expect(findSecret("a.".repeat(500_000))).toBeUndefined();
    expect(performance.now() - from).toBeLessThan(5_000);
  });

  it("says which field of a request holds it, also by the field's name", () => {
    expect(findSecretIn({ cell: { env: { HF_TOKEN: "q8Zr2LkP0vXw7TyB" } } })).toEqual({
      kind: "value of a secret",
      at: 0,
      path: "cell.env.HF_TOKEN",
    });
    expect(
      findSecretIn({ cell: { env: { HF_HOME: "/models" }, command: ["run", "x"] } }),
    ).toBeUndefined();
  });
});
