import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Pusher, startPusher } from "../../archive/push.ts";
import { openRemotes, splitAddress, withoutCredentials } from "../../server/remotes.ts";
import { readSettings } from "../../server/main.ts";
import { type GitRemote, startGitRemote } from "../support/git-remote.ts";

const PASSWORD = "canary-remote-31337";
const USER = ["-c", "user.name=x", "-c", "user.email=x@y"];

describe("a push over HTTP", () => {
  let root: string;
  let own: string;
  let remote: GitRemote;
  let pusher: Pusher | undefined;
  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), "gridpost-push-"));
    own = join(root, "own.git");
    mkdirSync(join(root, "data"));
    for (const name of ["own.git", "theirs.git"])
      execFileSync("git", ["init", "-q", "--bare", "-b", "main", join(root, name)]);
    execFileSync("git", ["-C", join(root, "theirs.git"), "config", "http.receivepack", "true"]);
    commit();
    remote = await startGitRemote(root, `deploy:${PASSWORD}`);
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await pusher?.stop();
    pusher = undefined;
    await remote.close();
    rmSync(root, { recursive: true });
  });

  const git = (folder: string, ...args: string[]): string =>
    execFileSync("git", ["-C", folder, ...args], { encoding: "utf8" }).trim();
  const commit = (): void => {
    const tree = execFileSync("git", ["-C", own, "mktree"], { input: "", encoding: "utf8" }).trim();
    git(own, "update-ref", "refs/heads/main", git(own, ...USER, "commit-tree", "-m", "x", tree));
  };
  const follow = async (settings: object, silenceMs = 30_000): Promise<Pusher> => {
    const data = join(root, "data");
    writeFileSync(
      join(data, "config.yaml"),
      JSON.stringify({ archive: { remotes: { r: settings } } }),
    );
    const remotes = await openRemotes(readSettings({ data }));
    pusher = startPusher({ remotes, gitDir: () => own, onError: () => undefined, silenceMs });
    return pusher;
  };
  const address = (user = ""): string => `http://${user}127.0.0.1:${remote.port}/theirs.git`;
  const arrived = (): string => git(join(root, "theirs.git"), "rev-parse", "main");

  it("takes its password from a file that others may not read", async () => {
    const tokenFile = join(root, "it's a token");
    writeFileSync(tokenFile, PASSWORD, { mode: 0o600 });
    await remote.close();
    remote = await startGitRemote(root, `gridpost:${PASSWORD}`);
    const following = await follow({ url: address(), tokenFile });
    await following.pushAll();
    expect(following.states()).toMatchObject([{ error: null }]);
    expect(arrived()).toBe(git(own, "rev-parse", "main"));
    await following.stop();
    const again = await follow({ url: address(), tokenFile: relative(process.cwd(), tokenFile) });
    await again.pushAll();
    expect(again.states()).toMatchObject([{ error: null }]);
    execFileSync("chmod", ["644", tokenFile]);
    await expect(openRemotes(readSettings({ data: join(root, "data") }))).rejects.toMatchObject({
      code: "BAD_REQUEST",
      next: `chmod 600 ${tokenFile}`,
    });
  });

  it.each(["git_remote.localhost", "GIT.localhost"])(
    "knows the host %s as its own",
    async (host) => {
      const url = `http://deploy:${PASSWORD}@${host}:${remote.port}/theirs.git`;
      const following = await follow({ url });
      await following.pushAll();
      expect(following.states()).toMatchObject([{ error: null }]);
      expect(arrived()).toBe(git(own, "rev-parse", "main"));
    },
  );

  it("says that the file of its password is missing, and that there is nothing to push yet", async () => {
    const tokenFile = join(root, "nowhere");
    const following = await follow({ url: address(), tokenFile });
    await following.pushAll();
    expect(following.states()[0]?.error).toBe(`its tokenFile ${tokenFile} is missing`);
    const remotes = [{ name: "r", url: address(), repository: "project/nope" }];
    const empty = startPusher({
      remotes,
      gitDir: () => join(root, "nope.git"),
      onError: () => undefined,
    });
    await empty.pushAll();
    expect(empty.states()).toMatchObject([
      { pushedSeq: null, error: "there is nothing in project/nope yet" },
    ]);
    await empty.stop();
  });

  it("says that the password is wrong, and asks nobody for another", async () => {
    const following = await follow({ url: address("deploy:wrong@") });
    await following.pushAll();
    expect(following.states()[0]?.error).toMatch(/Authentication failed|could not read/);
  });

  it("says what SSH says", async () => {
    const ssh = "echo 'ssh: connect to host x port 22: refused' >&2; exit 255;";
    git(own, "config", "core.sshCommand", ssh);
    const following = await follow({ url: "git@127.0.0.1:theirs.git" });
    await following.pushAll();
    expect(following.states()[0]?.error).toBe("ssh: connect to host x port 22: refused");
    await following.stop();
    vi.stubEnv("GIT_SSH_COMMAND", "echo 'ssh: as the operator said' >&2; exit 255;");
    const told = await follow({ url: "git@127.0.0.1:theirs.git" });
    await told.pushAll();
    expect(told.states()[0]?.error).toBe("ssh: as the operator said");
  });

  it("gives its password to no other host that the address leads on to", async () => {
    const elsewhere = createServer(({ url = "" }, response) => {
      response.writeHead(302, { location: `http://127.0.0.1:${remote.port}${url}` }).end();
    });
    await once(elsewhere.listen(0, "127.0.0.1"), "listening");
    const { port } = elsewhere.address() as AddressInfo;
    const url = `http://deploy:${PASSWORD}@127.0.0.1:${port}/theirs.git`;
    const following = await follow({ url });
    await following.pushAll();
    expect(following.states()[0]?.error).toMatch(/Authentication failed|could not read/);
    elsewhere.close();
  });

  it("shows a password of its address to nobody: not in arguments, settings, states or errors", async () => {
    const following = await follow({ url: address(`deploy:${PASSWORD}@`) });
    remote.hold();
    const pushing = following.pushAll();
    await expect.poll(() => remote.requests()).toBeGreaterThan(0);
    const commands = commandLines();
    expect(commands.filter((one) => one.includes("theirs.git")).length).toBeGreaterThan(0);
    expect(commands.filter((one) => one.includes(PASSWORD))).toEqual([]);
    remote.release();
    await pushing;
    expect(following.states()).toMatchObject([{ error: null, url: address() }]);
    expect(arrived()).toBe(git(own, "rev-parse", "main"));
    const settings = readSettings({ data: join(root, "data") });
    expect(JSON.stringify(settings)).toContain(PASSWORD);
    expect(JSON.stringify(withoutCredentials(settings))).not.toContain(PASSWORD);
    expect(readFileSync(join(own, "config"), "utf8")).not.toContain(PASSWORD);
  });

  it("gives up a remote that is silent, and catches up when it speaks again", async () => {
    const following = await follow({ url: address(`deploy:${PASSWORD}@`) }, 3_000);
    remote.hold();
    await following.pushAll();
    expect(following.states()[0]?.error).toBe("the remote was silent for too long");
    expect(commandLines().filter((one) => one.includes(address()))).toEqual([]);
    remote.release();
    await following.pushAll();
    expect(following.states()).toMatchObject([{ error: null }]);
  });

  it("tries a remote that fails less and less often", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance"] });
    try {
      const failing = 100;
      let failures = 0;
      const bad = { name: "r", url: join(root, "nowhere.git"), repository: "journal" };
      const onError = (): void => void (failures += 1);
      pusher = startPusher({ remotes: [bad], gitDir: () => own, onError });
      const seen: number[] = [];
      vi.advanceTimersByTime(failing);
      for (const wanted of [1, 2, 2, 3, 3, 3, 3, 4]) {
        vi.advanceTimersByTime(10_000 - failing);
        while (failures < wanted) await setTimeout(5);
        // An attempt takes a moment.
        vi.advanceTimersByTime(failing);
        seen.push(failures);
      }
      expect(seen).toEqual([1, 2, 2, 3, 3, 3, 3, 4]);
    } finally {
      vi.useRealTimers();
    }
  });

  it("ends at once when the server stops", async () => {
    const following = await follow({ url: address(`deploy:${PASSWORD}@`) });
    remote.hold();
    const pushing = following.pushAll();
    await expect.poll(() => remote.requests()).toBeGreaterThan(0);
    const from = performance.now();
    await following.stop();
    await pushing;
    expect(performance.now() - from).toBeLessThan(5_000);
  });
});

/** What anybody on the machine sees of every process. */
const commandLines = (): string[] =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        return [readFileSync(`/proc/${pid}/cmdline`, "utf8")];
      } catch {
        return [];
      }
    });

describe("the address of a remote", () => {
  it("is split from user and password only where Git takes them by HTTP", () => {
    expect(splitAddress("https://a%40b:c%3Ad@host/x.git")).toEqual({
      url: "https://host/x.git",
      credential: "username=a@b\npassword=c:d\n",
    });
    expect(splitAddress("HTTPS://a:50%@Host_1:8443/x.git")).toEqual({
      url: "https://host_1:8443/x.git",
      credential: "username=a\npassword=50%\n",
    });
    expect(splitAddress("https://token@host/x.git").credential).toBe("username=token\npassword=\n");
    for (const plain of [
      "https://host/a@b.git",
      "ssh://git@host/x.git",
      "git@host:x.git",
      "/a/b@c",
    ])
      expect(splitAddress(plain)).toEqual({ url: plain, credential: null });
  });
});
