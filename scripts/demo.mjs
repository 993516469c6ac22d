// `npm run demo`: from a fresh clone to a report, through a real server, a real node daemon and real containers (processes
// where no engine can be had). What it makes stays in .gridpost/demo; a second run uses it again.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { provideEngine } from "./engine.mjs";
import { Interrupted, must, run, start, throwIfInterrupted } from "./run.mjs";
import { root, setUp } from "./setup.mjs";

const NODE = "demo-node";
const AGENT = "demo";
const READY_MS = 60_000;
const EXIT_RUN_FAILED = 7;

const demo = join(root, ".gridpost/demo");
const folder = {
  engine: join(demo, "engine"),
  server: join(demo, "server"),
  node: join(demo, "node"),
  home: join(demo, "home"),
  reports: join(demo, "reports"),
};
const command = join(root, "dist/bin/gridpost.js");
const say = (text) => console.error(`demo: ${text}`);

/** Asks until `look` answers something, or names what did not come. */
async function until(what, look) {
  const deadline = Date.now() + READY_MS;
  for (;;) {
    throwIfInterrupted();
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > deadline) throw new Error(`${what} did not come within ${READY_MS / 1000} s`);
    await sleep(200);
  }
}

/** What runs beside the demo, in the order of its start; stopped in the other order. */
const beside = [];

/** Starts `gridpost <name>` and answers how to wait for it; fails with its log if it ends before it is ready. */
function service(name, args, env = process.env) {
  const log = join(demo, `${name}.log`);
  const { child, stop } = start(process.execPath, [command, name, ...args], { env, log });
  beside.push(stop);
  const printed = () => readFileSync(log, "utf8");
  return (look) =>
    until(`the ${name}`, () => {
      if (child.exitCode === null && child.signalCode === null) return look(printed());
      throw new Error(`the ${name} ended early; its log:\n${printed().slice(-2_000)}`);
    });
}

function startServer() {
  const ready = service("server", ["--data", folder.server, "--listen", "127.0.0.1:0"]);
  return ready((printed) => /^listening on (\S+)$/m.exec(printed)?.[1]);
}

/** The `gridpost` command as the demo's user: `call` answers its JSON, `status` its exit code. */
function commandLine(url) {
  const env = { ...process.env, GRIDPOST_HOME: folder.home, GRIDPOST_URL: url, GRIDPOST_AGENT: "" };
  const spawned = (args, stderr) =>
    run(process.execPath, [command, ...args], { env, stdio: ["ignore", "pipe", stderr] });
  return {
    env,
    async call(args, { stderr = "pipe", accept = [0] } = {}) {
      const { status, stdout, output } = await spawned([...args, "--json"], stderr);
      if (accept.includes(status)) return JSON.parse(stdout);
      throw new Error(`gridpost ${args.join(" ")} ended with ${status}: ${output.trim()}`);
    },
    status: async (args) => (await spawned(args, "ignore")).status,
  };
}

/** Joins as the admin and registers the agent, at the first start. */
async function joinAsAdmin(gridpost, url) {
  if ((await gridpost.status(["whoami"])) === 0) return;
  const token = join(folder.server, "admin.join");
  await gridpost.call(["join", url, "--token-file", token, "--as-user", "demo"]);
  await gridpost.call(["agent", "register", AGENT]);
}

async function startDaemon(gridpost, { url, engine }) {
  const { nodes } = await gridpost.call(["node", "ls"]);
  const args = ["--url", url, "--name", NODE, "--data", folder.node, "--allow-process"];
  if (!nodes.some(({ name }) => name === NODE)) {
    const { token } = await gridpost.call(["token", "create", "--kind", "node", "--name", NODE]);
    const file = join(demo, "node.join");
    writeFileSync(file, token, { mode: 0o600 });
    args.push("--token-file", file);
  }
  const ready = service(
    "daemon",
    args,
    engine ? { ...process.env, DOCKER_HOST: engine } : process.env,
  );
  const node = await ready(async () => {
    const page = await gridpost.call(["node", "ls"]);
    return page.nodes.find(({ name, state }) => name === NODE && state === "ready");
  });
  const { runtime, inventory } = node;
  say(`node ${NODE}: ${runtime}, ${inventory.cpu.count} x ${inventory.cpu.model}`);
}

/** Prints the report and answers the files that hold it. */
async function report(gridpost, sweep) {
  mkdirSync(folder.reports, { recursive: true });
  const files = ["report.md", "report.json"].map((name) => join(folder.reports, name));
  for (const file of files) await gridpost.call(["report", sweep, "-o", file]);
  const { text } = await gridpost.call(["report", sweep, "--format", "text"]);
  console.log(text);
  return files.map((file) => relative(process.cwd(), file));
}

/** The commit of the archive that holds everything said until now. */
async function archived(gridpost) {
  const { lastSeq } = await gridpost.call(["archive", "status"]);
  return until("the archive's commit", async () => {
    const { archivedSeq, commit } = await gridpost.call(["archive", "status"]);
    return archivedSeq >= lastSeq ? commit : undefined;
  });
}

/** An interrupted demo leaves a sweep whose runs would come first. */
async function cancelLeftOver(gridpost) {
  const { sweeps } = await gridpost.call(["sweep", "ls"]);
  for (const { sweep, state } of sweeps) {
    if (state === "active") await gridpost.call(["sweep", "cancel", sweep]);
  }
}

async function measure(gridpost) {
  const file = join(root, "examples/cpu-kernels/sweep.yaml");
  const args = ["sweep", "run", relative(process.cwd(), file), "--wait", "--as", AGENT];
  const sweep = await gridpost.call(args, { stderr: "inherit", accept: [0, EXIT_RUN_FAILED] });
  const files = await report(gridpost, sweep.sweep);
  const commit = await archived(gridpost);
  const failed = Object.keys(sweep.states).some((state) => state !== "succeeded");
  console.log(`
thread   ${sweep.thread}
archive  commit ${commit} of ${relative(process.cwd(), join(folder.server, "archive/journal.git"))}
reports  ${files.join(", ")}`);
  return failed ? EXIT_RUN_FAILED : 0;
}

/** An engine with the image of the sweep in it; undefined where none can be had. */
async function startEngine() {
  const engine = await provideEngine({ dataRoot: folder.engine });
  if ("reason" in engine) {
    say(`no container engine (${engine.reason}); the cells run as processes`);
    return undefined;
  }
  beside.push(engine.stop);
  const env = { ...process.env, DOCKER_HOST: engine.host };
  await must(process.execPath, [join(root, "examples/cpu-kernels/image.mjs")], { env });
  return engine.host;
}

async function main() {
  await setUp();
  mkdirSync(demo, { recursive: true });
  const engine = await startEngine();
  const again = existsSync(folder.server);
  const url = await startServer();
  say(`server ${url}${again ? " with the data of the last demo" : ""}`);
  const gridpost = commandLine(url);
  await joinAsAdmin(gridpost, url);
  await cancelLeftOver(gridpost);
  await startDaemon(gridpost, { url, engine });
  return measure(gridpost);
}

try {
  process.exitCode = await main();
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = error instanceof Interrupted ? 130 : 1;
} finally {
  for (const stop of beside.toReversed()) await stop();
}
