import type { Answer } from "../api.ts";
import { type Cli, type Define, examples, leaf } from "../command.ts";
import type { CommonOptions } from "../context.ts";
import { checkEngine, checkGit, checkNode } from "../local-checks.ts";
import { checkClock, checkReachable, type Check, checkOf } from "../server-checks.ts";
import { variable } from "../environment.ts";
import { EXIT } from "../exit-codes.ts";
import { table } from "../view.ts";

type Nodes = Answer<"GET /v1/nodes">;

/** `gridpost doctor` */
export const defineDoctor: Define = (program, cli) => {
  leaf(program, "doctor", "Find out why something does not work")
    .addHelpText("after", examples("doctor", "doctor --url http://10.0.0.1:7411 --json"))
    .action(async (options) => {
      const checks = [...(await serverChecks(cli, options)), ...(await localChecks(cli))];
      await cli.out.show(
        { ok: checks.every(({ state }) => state !== "fail"), checks },
        table(
          ["CHECK", "STATE", "FOUND", "DO"],
          checks.map(({ name, state, found, next }) => [name, state, found, next ?? null]),
          "",
        ),
      );
      const failed = checks.find(({ state }) => state === "fail");
      if (failed !== undefined) cli.exitWith(failed.exitCode ?? EXIT.failure);
    });
};

const localChecks = async (cli: Cli): Promise<Check[]> => [
  checkNode(),
  ...(await Promise.all([checkGit(), checkEngine(dockerHost(cli))])),
];

const dockerHost = (cli: Cli): string | undefined => variable(cli.environment, "DOCKER_HOST");

/** Each check makes sense only if the one before it passed. */
async function serverChecks(cli: Cli, options: CommonOptions): Promise<Check[]> {
  const context = cli.context(options);
  const url = await checkOf("server", async () => context.url());
  if (url.value === undefined) return [url.check];
  const reachable = await checkReachable(url.value);
  if (reachable.answer === undefined) return [url.check, reachable.check];
  const clock = checkClock(reachable.answer);
  const me = await checkOf("credentials", async () => {
    const api = await context.user();
    return (await api("GET /v1/whoami", { query: { project: context.project } })).principal;
  });
  const checks = [url.check, reachable.check, clock, me.check];
  if (me.value === undefined) return checks;
  const nodes = await checkOf("nodes", async () => {
    const api = await context.user();
    return readyNodes(await api("GET /v1/nodes", { query: { limit: 500 } }));
  });
  return [...checks, nodes.check];
}

const readyNodes = ({ nodes }: Nodes): string =>
  `${nodes.filter(({ state }) => state === "ready").length} of ${nodes.length} ready`;
