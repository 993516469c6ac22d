import { execFileSync } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { Writable } from "node:stream";
import { pino } from "pino";
import { expect, it } from "vitest";
import { systemClock } from "../../runtime/clock.ts";
import { joinAs, startTestServer } from "../support/server.ts";

const EVERYTHING = ["cat-file", "--batch-all-objects", "--batch"];

/** Every byte that the server has written, but the two places that hold secrets on purpose. */
async function written(data: string): Promise<Map<string, Buffer>> {
  const found = new Map<string, Buffer>();
  const entries = await readdir(data, { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isDirectory() && entry.name.endsWith(".git"))
      found.set(path, execFileSync("git", ["-C", path, ...EVERYTHING], { maxBuffer: 2 ** 28 }));
    const secret = path === join(data, "admin.join") || path.startsWith(join(data, "keys"));
    if (entry.isFile() && !secret) found.set(path, await readFile(path));
  }
  return found;
}

it("never writes a secret: not to the log, the database, the archive or an answer", async () => {
  const said: string[] = [];
  const sink = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      said.push(chunk.toString());
      done();
    },
  });
  // Nobody listens there, so that the push fails and says so.
  const remote = "http://deploy:canary-remote-31337@127.0.0.1:9/journal.git";
  const server = await startTestServer({
    log: pino({ level: "debug" }, sink),
    set: [`archive.remotes.mirror.url=${remote}`],
  });
  const { admin, url, data } = server;
  const join1 = await admin.client.identity.createToken({ body: { kind: "user", name: "anna" } });
  const anna = await joinAs({ url, clock: systemClock, token: join1.token });
  const unused = await admin.client.identity.createToken({ body: { kind: "node", name: "n1" } });
  const agentToken = await anna.asAgent("blue").then(() => anna.agentToken("blue"));
  const canaries: Record<string, string> = {
    "a used join token": join1.token.slice(0, 26),
    "an unused join token": unused.token.slice(0, 26),
    "a user's private key": anna.key.d,
    "a user's access token": await anna.token(),
    "an agent's access token": agentToken,
    "a wrong token": "canary-bearer-31337",
    "a password": "canary-password-31337",
    "a token in a query": "canary-query-31337",
    "the password of a remote": "canary-remote-31337",
    "a token as the name of a field": `ghp_${"cAn4rY".repeat(6)}`,
    "a token as a key of a call": `ghp_${"k3Ycan".repeat(6)}`,
    "a token in a wrong body": "canary-body-31337",
  };
  const answers: string[] = [];
  const ask = async (path: string, init: RequestInit): Promise<void> => {
    answers.push(await (await fetch(url + path, init)).text());
  };
  const basic = Buffer.from(`x:${canaries["a password"] ?? ""}`).toString("base64");
  const authorization = `Bearer ${await anna.token()}`;
  const json = { "content-type": "application/json" };
  await ask("/v1/whoami", { headers: { authorization: `Bearer ${canaries["a wrong token"]}` } });
  await ask("/v1/journal.git/info/refs?service=git-upload-pack", {
    headers: { authorization: `Basic ${basic}` },
  });
  await ask(`/v1/whoami?token=${canaries["a token in a query"]}`, { headers: { authorization } });
  for (const path of ["/v1/join", "/v1/auth/token", "/v1/tokens"])
    await ask(path, {
      method: "POST",
      headers: { authorization, ...json },
      body: JSON.stringify({
        kind: "user",
        token: canaries["a token in a wrong body"],
        assertion: canaries["a token in a wrong body"],
        proof: "x",
        jwk: { kty: "OKP", crv: "Ed25519", x: "A".repeat(43) },
      }),
    });
  await ask("/v1/join", { method: "POST", headers: json, body: `{"token": "${unused.token}"` });
  for (const [idempotencyKey, name] of [
    [canaries["a token as a key of a call"], "x"],
    ["k", canaries["a token as the name of a field"]],
  ])
    await ask("/v1/projects/default/messages", {
      method: "POST",
      headers: {
        authorization: `Bearer ${agentToken}`,
        ...json,
        "idempotency-key": idempotencyKey ?? "",
      },
      body: JSON.stringify({
        to: ["blue"],
        subject: "s",
        payload: { kind: "k", data: { [name ?? ""]: 1 } },
      }),
    });
  const pushed = await admin.client.archive.push();
  expect(pushed.remotes[0]?.error).toContain("127.0.0.1");
  answers.push(JSON.stringify(pushed), JSON.stringify(await admin.client.archive.status()));
  await server.running.archive.flush();

  await server.stop({
    before: async () => {
      const places = await written(data);
      places.set("the log of the process", Buffer.from(said.join("")));
      places.set("the answers", Buffer.from(answers.join("\n")));
      expect(places.size).toBeGreaterThan(5);
      for (const [place, bytes] of places)
        for (const [what, canary] of Object.entries(canaries))
          if (bytes.includes(canary)) expect.soft(`${what} is in ${place}`).toBe("nowhere");
    },
  });
});
