import { type ChildProcessByStdio, spawn } from "node:child_process";
import { PassThrough, Readable, type Transform, type Writable } from "node:stream";
import { createGunzip } from "node:zlib";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { RunningArchive } from "../archive/start.ts";
import { ProblemError } from "../contract/problem.ts";
import type { Scope } from "../contract/scopes.ts";
import { atMost } from "./at-most.ts";
import { Counts } from "./counts.ts";
import { type Gate, refuseWithout } from "./mount.ts";

const UPLOAD_PACK = "git-upload-pack";
const REQUEST_TYPE = "application/x-git-upload-pack-request";
/** What a client has and wants, not what it gets; also when it is unpacked. */
const MAX_REQUEST = 8 * 1_048_576;
/** Each is a Git process that packs what it sends. */
const MAX_CLONES = 8;
/** Of one principal: nobody keeps all the others out. */
const MAX_OWN_CLONES = 4;
/** A client that takes nothing for so long, or twice that, is gone; Git says something every few seconds while it packs. */
const STALLED_MS = 60_000;

export interface GitHttpDeps {
  readonly gate: Gate;
  readonly archive: RunningArchive;
  readonly projectExists: (name: string) => Promise<boolean>;
}

interface Place {
  readonly path: string;
  readonly scope: Scope;
}

/** The repositories of the archive by address, and what reading them takes. */
const PLACES: readonly Place[] = [
  { path: "/v1/journal.git", scope: "journal:read" },
  { path: "/v1/projects/:project/archive.git", scope: "archive:read" },
];

/** `git clone` and `git fetch` of the archive over smart HTTP, with a token; nothing can be pushed. */
export async function mountGitHttp(app: FastifyInstance, deps: GitHttpDeps): Promise<void> {
  await app.register((instance, _options, done) => {
    // Left unread: Git takes the stream as it comes.
    instance.addContentTypeParser(REQUEST_TYPE, (_request, body, parsed) => parsed(null, body));
    // Git asks for a user and a password only when it is offered Basic; the password is the token.
    instance.addHook("onSend", (_request, reply) => {
      if (reply.statusCode === 401)
        void reply.header("www-authenticate", 'Basic realm="gridpost: the password is a token"');
      return Promise.resolve();
    });
    const clones = { open: 0, own: new Counts(MAX_OWN_CLONES) };
    for (const place of PLACES) mountPlace(instance, { ...deps, ...place, clones });
    done();
  });
}

interface Clones {
  open: number;
  readonly own: Counts;
}

type PlaceDeps = GitHttpDeps & Place & { readonly clones: Clones };

function mountPlace(app: FastifyInstance, deps: PlaceDeps): void {
  const { path } = deps;
  const options = {
    schema: { hide: true },
    onRequest: (request: FastifyRequest) => admit(request, deps),
    bodyLimit: MAX_REQUEST,
  };
  app.get(`${path}/info/refs`, options, async (request, reply) => {
    const { service } = request.query as { service?: string };
    if (service !== UPLOAD_PACK) throw readOnly(service);
    const git = await uploadPack(request, deps, "--http-backend-info-refs");
    git.stdin.end();
    const body = new PassThrough();
    // Version 2 begins with its capabilities, the older ones with the name of the service.
    if (!isVersion2(request)) body.write(`001e# service=${UPLOAD_PACK}\n0000`);
    git.stdout.pipe(body);
    return answer(reply, `application/x-${UPLOAD_PACK}-advertisement`, body);
  });
  app.post(`${path}/${UPLOAD_PACK}`, options, async (request, reply) => {
    const { body } = request;
    if (!(body instanceof Readable)) throw notGits();
    const git = await uploadPack(request, deps);
    const zipped = request.headers["content-encoding"] === "gzip";
    feed(git, body, [...(zipped ? [createGunzip()] : []), atMost(MAX_REQUEST)]);
    return answer(reply, `application/x-${UPLOAD_PACK}-result`, git.stdout);
  });
  app.post(`${path}/git-receive-pack`, options, () => {
    throw readOnly("git-receive-pack");
  });
}

/** Gives Git the request through what unpacks and bounds it; what is wrong with it is the answer, if there is none yet. */
function feed(git: Git, body: Readable, through: readonly Transform[]): void {
  let last = body;
  for (const next of through) {
    next.once("error", (error) => {
      // The rest comes in unread, so that the connection lives to carry the answer.
      body.unpipe();
      body.resume();
      git.kill();
      git.stdout.destroy(error instanceof ProblemError ? error : notZipped(error));
    });
    last = last.pipe(next);
  }
  body.once("error", () => git.kill());
  last.pipe(git.stdin);
}

const notZipped = (cause: Error): ProblemError =>
  new ProblemError("BAD_REQUEST", "the body is not what its content-encoding says", { cause });

/** @throws ProblemError UNAUTHENTICATED, FORBIDDEN */
async function admit(request: FastifyRequest, { gate, scope }: PlaceDeps): Promise<void> {
  const { project = null } = request.params as { project?: string };
  const caller = await gate.auth.authenticate(request.headers.authorization, project);
  request.caller = caller;
  refuseWithout(scope, caller.principal, project);
}

type Git = ChildProcessByStdio<Writable, Readable, null>;

async function uploadPack(
  request: FastifyRequest,
  deps: PlaceDeps,
  ...flags: readonly string[]
): Promise<Git> {
  const { gate, archive, clones } = deps;
  // The request loses it when it is destroyed.
  const { socket } = request.raw;
  const folder = await folderOf(request, deps);
  // Nothing is awaited between this look and the count.
  const by = request.caller?.principal.id ?? "";
  if (clones.open >= MAX_CLONES) throw busy(`${MAX_CLONES} clones are being served already`);
  if (!clones.own.enter(by)) throw busy(`${by} has ${MAX_OWN_CLONES} clones under way already`);
  const protocol = /^[\w=:.]{1,64}$/.exec(String(request.headers["git-protocol"]))?.[0] ?? "";
  const args = [`GIT_PROTOCOL=${protocol}`, "git", "upload-pack", "--stateless-rpc", "--strict"];
  // `env` sets one variable beside the server's own.
  const git = spawn("env", [...args, ...flags, folder], {
    cwd: archive.folder,
    stdio: ["pipe", "pipe", "ignore"],
  });
  clones.open += 1;
  const kill = (): void => void git.kill();
  git.stdin.on("error", () => undefined);
  if (socket.destroyed) kill();
  socket.setTimeout(STALLED_MS);
  socket.once("close", kill);
  gate.stopping.addEventListener("abort", kill);
  git.once("error", () => git.stdout.destroy());
  git.once("close", () => {
    clones.open -= 1;
    clones.own.leave(by);
    socket.off("close", kill);
    gate.stopping.removeEventListener("abort", kill);
  });
  return git;
}

/** @throws ProblemError NOT_FOUND */
async function folderOf(
  request: FastifyRequest,
  { archive, projectExists }: PlaceDeps,
): Promise<string> {
  const { project } = request.params as { project?: string };
  if (project !== undefined && !(await projectExists(project))) {
    throw new ProblemError("NOT_FOUND", `there is no project ${project}`, {
      next: "gridpost project ls",
    });
  }
  return archive.repository(project);
}

const isVersion2 = (request: FastifyRequest): boolean =>
  String(request.headers["git-protocol"]).includes("version=2");

const answer = (reply: FastifyReply, type: string, body: Readable): FastifyReply =>
  reply.header("content-type", type).header("cache-control", "no-cache").send(body);

const readOnly = (service: string | undefined): ProblemError =>
  new ProblemError(
    "FORBIDDEN",
    `the archive is written by the server alone (${service ?? "dumb HTTP"})`,
    {
      next: "clone and fetch it; what you want to say goes into a message",
    },
  );

const notGits = (): ProblemError =>
  new ProblemError("UNSUPPORTED_MEDIA_TYPE", `this takes the request of a Git client only`, {
    next: `use git clone; its requests have content-type: ${REQUEST_TYPE}`,
  });

const busy = (message: string): ProblemError =>
  new ProblemError("UNAVAILABLE", message, {
    next: "try again in a moment",
    retryAfterMs: 5_000,
  });
