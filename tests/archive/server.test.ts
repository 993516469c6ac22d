import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startTestServer, type TestServer } from "../support/server.ts";

const run = promisify(execFile);
const project = { project: "default" };

/** What Git said, whether it liked the call or not. */
async function git(...args: string[]): Promise<string> {
  const env = { ...process.env, GIT_TERMINAL_PROMPT: "0", GIT_ASKPASS: "true" };
  try {
    const { stdout, stderr } = await run("git", args, { env });
    return stdout + stderr;
  } catch (error) {
    return `failed: ${(error as { stderr: string }).stderr}`;
  }
}

describe("the archive over HTTP", () => {
  let server: TestServer;
  let work: string;
  beforeAll(async () => {
    work = mkdtempSync(join(tmpdir(), "gridpost-clone-"));
    server = await startTestServer();
    const anna = await server.join("user", "anna");
    const blue = await anna.asAgent("blue");
    await anna.asAgent("red");
    const send = (thread: string, open: boolean, body: string): Promise<unknown> =>
      blue.mailbox.send({
        params: project,
        body: { to: ["red"], subject: "hello", body, thread, open },
      });
    await send("plans", true, "for everybody");
    await send("whisper", false, "for red alone");
    await server.running.archive.flush();
  });
  afterAll(async () => {
    await server.stop();
    rmSync(work, { recursive: true });
  });

  const bearer = (token: string): string[] => [
    "-c",
    `http.extraHeader=Authorization: Bearer ${token}`,
  ];
  const address = (path: string, token?: string): string =>
    `${token === undefined ? server.url : server.url.replace("//", `//git:${token}@`)}${path}`;

  it("is cloned with a token as bearer or as password: open threads by project readers", async () => {
    const carl = await server.join("user", "carl", { role: "viewer" });
    const token = await carl.token();
    const path = "/v1/projects/default/archive.git";
    expect(await git(...bearer(token), "clone", address(path), join(work, "bearer"))).not.toContain(
      "failed",
    );
    expect(await git("clone", address(path, token), join(work, "basic"))).not.toContain("failed");
    const files = await git("-C", join(work, "basic"), "ls-files", "threads");
    const [file = ""] = files.split("\n");
    expect(readFileSync(join(work, "basic", file), "utf8")).toContain("for everybody");
    expect(await git("-C", join(work, "basic"), "grep", "red alone")).toBe("failed: ");
    expect(
      await git(...bearer(token), "clone", address("/v1/journal.git"), join(work, "no")),
    ).toContain("403");
  });

  it("gives the journal, private mail and all, to an admin", async () => {
    const token = await server.admin.token();
    expect(
      await git(...bearer(token), "clone", address("/v1/journal.git"), join(work, "journal")),
    ).not.toContain("failed");
    expect(await git("-C", join(work, "journal"), "grep", "red alone")).toContain("for red alone");
  });

  it("reads no more of a request than one can be long, however small it is packed", async () => {
    const path = "/v1/projects/default/archive.git";
    const ask = async (body: Uint8Array): Promise<Response> =>
      fetch(`${server.url}${path}/git-upload-pack`, {
        method: "POST",
        headers: {
          authorization: `Bearer ${await server.admin.token()}`,
          "content-type": "application/x-git-upload-pack-request",
          "content-encoding": "gzip",
        },
        body,
      });
    const head = (await server.running.archive.head("default")) ?? "";
    const want = `0032want ${head}\n0000`;
    const have = `0032have ${"1".repeat(40)}\n`;
    const enough = await ask(gzipSync(`${want}${have.repeat(1_000)}0009done\n`));
    expect(enough.status).toBe(200);
    expect(Buffer.from(await enough.arrayBuffer()).includes("PACK")).toBe(true);
    const bomb = gzipSync(want + have.repeat(2_000_000), { level: 9 });
    expect(bomb.length).toBeLessThan(1_048_576);
    const refused = await ask(bomb);
    expect(refused.status).toBe(413);
    expect(await refused.json()).toMatchObject({ code: "PAYLOAD_TOO_LARGE" });
    const broken = await ask(Buffer.from("this is not gzip"));
    expect(broken.status).toBe(400);
    // None of them is still being served.
    await Promise.all(Array.from({ length: 8 }, async () => (await ask(bomb)).arrayBuffer()));
    expect((await ask(gzipSync(`${want}0009done\n`))).status).toBe(200);
  });

  it("serves others while one principal leaves as many clones unread as it may have", async () => {
    const path = "/v1/projects/default/archive.git";
    const vera = await (await server.join("user", "vera", { role: "viewer" })).token();
    const ask = async (token: string) => {
      const answer = await fetch(`${server.url}${path}/info/refs?service=git-upload-pack`, {
        headers: { authorization: `Bearer ${token}` },
      });
      return `${answer.status} ${await answer.text()}`;
    };
    const { port, hostname } = new URL(server.url);
    const unread = Array.from({ length: 8 }, () => {
      const socket = connect(Number(port), hostname).pause();
      // Git waits for the rest of the request.
      socket.write(
        `POST ${path}/git-upload-pack HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${vera}\r\n` +
          "Content-Type: application/x-git-upload-pack-request\r\nContent-Length: 9\r\n\r\n0",
      );
      return socket;
    });
    await expect.poll(() => ask(vera)).toContain("has 4 clones under way already");
    expect(await ask(await server.admin.token())).toMatch(/^200 /);
    for (const socket of unread) socket.destroy();
    await expect.poll(() => ask(vera)).toMatch(/^200 /);
  });

  it("takes no body but Git's, and serves others meanwhile", async () => {
    const path = "/v1/projects/default/archive.git";
    const authorization = `Bearer ${await server.admin.token()}`;
    const ask = (type: Record<string, string>, body: string | null): Promise<Response> =>
      fetch(`${server.url}${path}/git-upload-pack`, {
        method: "POST",
        headers: { authorization, ...type },
        body,
      });
    for (let one = 0; one < 5; one += 1) {
      for (const refused of [ask({ "content-type": "application/json" }, "{}"), ask({}, null)]) {
        const { status } = await refused;
        expect(status).toBe(415);
      }
    }
    const info = `${server.url}${path}/info/refs?service=git-upload-pack`;
    expect((await fetch(info, { headers: { authorization } })).status).toBe(200);
  });

  it("asks for a token, refuses other projects, unknown ones and every push", async () => {
    const path = "/v1/projects/default/archive.git";
    const anonymous = await fetch(`${server.url}${path}/info/refs?service=git-upload-pack`);
    expect(anonymous.status).toBe(401);
    expect(anonymous.headers.get("www-authenticate")).toMatch(/^Basic /);
    expect(await git("clone", address(path), join(work, "none"))).toMatch(
      /failed: .*Authentication failed/s,
    );

    const token = await server.admin.token();
    await server.admin.client.identity.createProject({ body: { name: "other" } });
    const dora = await server.join("user", "dora", { role: "viewer", project: "other" });
    const doras = await dora.token();
    expect(await git(...bearer(doras), "clone", address(path), join(work, "dora"))).toContain(
      "403",
    );
    const { entries } = await server.admin.client.access.audit({ query: { actor: "user:dora" } });
    expect(entries).toContainEqual(
      expect.objectContaining({
        type: "access.denied",
        details: expect.objectContaining({
          endpoint: "GET /v1/projects/:project/archive.git/info/refs",
        }) as unknown,
      }),
    );
    expect(
      await git(
        ...bearer(doras),
        "clone",
        address("/v1/projects/other/archive.git"),
        join(work, "other"),
      ),
    ).toContain("empty repository");
    expect(
      await git(
        ...bearer(token),
        "clone",
        address("/v1/projects/nowhere/archive.git"),
        join(work, "nowhere"),
      ),
    ).toMatch(/not found|404/);

    const clone = join(work, "pushed");
    await git(...bearer(token), "clone", address(path), clone);
    await git(
      "-C",
      clone,
      "-c",
      "user.name=x",
      "-c",
      "user.email=x@y",
      "commit",
      "--allow-empty",
      "-m",
      "mine",
    );
    expect(await git("-C", clone, ...bearer(token), "push", "origin", "main")).toMatch(
      /failed: .*403/s,
    );
  });
});
