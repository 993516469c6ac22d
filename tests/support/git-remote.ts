import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A Git server over HTTP that asks for a user and a password, as hosting services do. */
export interface GitRemote {
  readonly port: number;
  /** Requests that it has got. */
  requests(): number;
  /** Leaves requests unanswered from now on, until `release`. */
  hold(): void;
  release(): void;
  close(): Promise<void>;
}

/** Serves the repositories of a folder through `git http-backend`. */
export async function startGitRemote(folder: string, userAndPassword: string): Promise<GitRemote> {
  const wanted = `Basic ${Buffer.from(userAndPassword).toString("base64")}`;
  let requests = 0;
  let held: (() => void)[] | undefined;
  const server = createServer((request, response) => {
    requests += 1;
    const answer = (): void => {
      if (request.headers.authorization === wanted) return backend(folder, request, response);
      response.writeHead(401, { "www-authenticate": 'Basic realm="test"' }).end();
    };
    if (held === undefined) answer();
    else held.push(answer);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const release = (): void => {
    for (const answer of held ?? []) answer();
    held = undefined;
  };
  return {
    port: (server.address() as AddressInfo).port,
    requests: () => requests,
    hold: () => (held = []),
    release,
    close: async () => {
      held = undefined;
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/** Runs the CGI program of Git for one request. */
function backend(folder: string, request: IncomingMessage, response: ServerResponse): void {
  const { pathname, search } = new URL(request.url ?? "/", "http://localhost");
  const { "content-type": type = "", "content-encoding": encoding = "" } = request.headers;
  const git = spawn("git", ["http-backend"], {
    stdio: ["pipe", "pipe", "ignore"],
    env: {
      ...process.env,
      GIT_PROJECT_ROOT: folder,
      GIT_HTTP_EXPORT_ALL: "1",
      PATH_INFO: pathname,
      QUERY_STRING: search.slice(1),
      REQUEST_METHOD: request.method ?? "GET",
      CONTENT_TYPE: type,
      HTTP_CONTENT_ENCODING: encoding,
      GIT_PROTOCOL: String(request.headers["git-protocol"] ?? ""),
      REMOTE_USER: "test",
    },
  });
  git.stdin.on("error", () => undefined);
  request.pipe(git.stdin);
  const chunks: Buffer[] = [];
  git.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  git.once("close", () => {
    const output = Buffer.concat(chunks);
    const end = output.indexOf("\r\n\r\n");
    for (const line of output.subarray(0, end).toString().split("\r\n")) {
      const [name = "", value = ""] = line.split(": ");
      if (name === "Status") response.statusCode = Number.parseInt(value, 10);
      else response.setHeader(name, value);
    }
    response.end(output.subarray(end + 4));
  });
}
