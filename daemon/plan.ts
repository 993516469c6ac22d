import type { GrantedRun } from "../contract/cells.ts";
import { LaunchError } from "./launcher.ts";
import type { Node } from "./node.ts";
import { provenance } from "./provenance.ts";
import type { Plan } from "./spool-rows.ts";

/**
 * Decides how a run is executed here: the runtime, and the image by its content.
 * @throws LaunchError when this node cannot run it; EngineGoneError when told to stop while the engine is away
 */
export async function makePlan(
  node: Node,
  run: GrantedRun,
  options: { readonly gpus: readonly string[]; readonly signal: AbortSignal },
): Promise<Plan> {
  const { cell } = run;
  const runtime = chooseRuntime(cell, node.engines.runtimes());
  if (cell.models.length > 0)
    throw new LaunchError(
      `this node has no model store, and the cell needs ${cell.models.join(", ")}`,
    );
  if (runtime === "process" && cell.mounts.length > 0)
    throw new LaunchError("the process runtime cannot mount folders");
  const environment = provenance(node, runtime, options.gpus);
  if (runtime === "process") {
    const cores = await node.cores.take(run.attempt.id, cell.resources.cpus, options.signal);
    const used = cores.length === 0 ? {} : { coresUsed: cores.join(",") };
    return { runtime, image: null, cores, environment: { ...environment, ...used } };
  }
  const launcher = await node.engines.launcher("docker");
  const reference = run.image ?? cell.image ?? "";
  const image = await node.engines.answered(options.signal, () =>
    launcher.resolveImage(reference, options.signal),
  );
  return { runtime, image, cores: [], environment };
}

/** The cell's choice among what this node offers; containers before processes. */
export function chooseRuntime(
  { runtime, image }: Pick<GrantedRun["cell"], "runtime" | "image">,
  offered: readonly Plan["runtime"][],
): Plan["runtime"] {
  const wanted: readonly Plan["runtime"][] =
    runtime === "any" ? (image === null ? ["process"] : ["docker", "process"]) : [runtime];
  const found = wanted.find((one) => offered.includes(one));
  if (found !== undefined) return found;
  throw new LaunchError(`this node does not offer the runtime ${wanted.join(" or ")}`);
}
