import type { Answer } from "../api.ts";
import { given } from "../arguments.ts";
import { change, type Define, examples, group, leaf, list } from "../command.ts";
import { revokedView } from "../revoked-view.ts";
import { at, record, table, type View } from "../view.ts";

type Node = Answer<"GET /v1/nodes/:node">;

const GIB = 2 ** 30;

function gpusOf({ gpus }: Node): string {
  const names = gpus.map(({ name }) => name);
  return [...new Set(names)]
    .map((name) => `${names.filter((other) => other === name).length} x ${name}`)
    .join(", ");
}

const nodeView = (node: Node): View =>
  record([
    ["name", node.name],
    ["state", node.state],
    ["reason", node.reason],
    ["runtime", node.runtime],
    ["running", node.running],
    ["GPUs", gpusOf(node)],
    ["simulated", node.simulated],
    ["CPU", `${node.inventory.cpu.count} x ${node.inventory.cpu.model}`],
    ["memory", `${(node.inventory.memoryBytes / GIB).toFixed(1)} GiB`],
    ["system", `${node.inventory.os}, kernel ${node.inventory.kernel}`],
    ["version", node.version],
    ["last beat", at(node.lastBeatAt)],
  ]);

/** `gridpost node` */
export const defineNode: Define = (program, cli) => {
  const nodes = group(program, "node", "Nodes: the machines that measure");

  list(nodes, "ls", "List nodes")
    .addHelpText("after", examples("node ls", "node ls --json"))
    .action(async ({ after, limit, ...common }) => {
      const api = await cli.context(common).caller();
      const page = await api("GET /v1/nodes", { query: given({ after, limit }) });
      const rows = page.nodes.map((one) => [
        one.name,
        one.state,
        one.runtime,
        gpusOf(one),
        one.running,
        at(one.lastBeatAt),
        one.reason,
      ]);
      await cli.out.show(
        page,
        table(
          ["NAME", "STATE", "RUNTIME", "GPUS", "RUNNING", "LAST BEAT", "REASON"],
          rows,
          "no nodes",
        ),
      );
    });

  leaf(nodes, "show <node>", "Show a node").action(async (node, options) => {
    const api = await cli.context(options).caller();
    const shown = await api("GET /v1/nodes/:node", { params: { node } });
    await cli.out.show(shown, nodeView(shown));
  });

  const verbs = [
    ["drain <node>", "Take no new work; finish what runs", "POST /v1/nodes/:node/drain"],
    ["resume <node>", "Take work again", "POST /v1/nodes/:node/resume"],
  ] as const;
  for (const [usage, summary, route] of verbs)
    change(nodes, usage, summary).action(async (node, options) => {
      const idempotencyKey = cli.key(options);
      const api = await cli.context(options).user();
      const changed = await api(route, { params: { node } }, { idempotencyKey });
      await cli.out.show(changed, nodeView(changed));
    });

  change(nodes, "revoke <node>", "Kill the key and all tokens of a node at once")
    .option("--reason <text>", "why")
    .action(async (node, options) => {
      const idempotencyKey = cli.key(options);
      const api = await cli.context(options).user();
      const revoked = await api(
        "POST /v1/principals/:principal/revoke",
        { params: { principal: `node:${node}` }, body: given({ reason: options.reason }) },
        { idempotencyKey },
      );
      await cli.out.show(revoked, revokedView(revoked));
    });
};
