import { type Engine, EngineGoneError, LaunchError, type Launcher } from "./launcher.ts";
import type { Log } from "./ports.ts";
import type { Spool } from "./spool.ts";
import { backoff, sleep } from "./timers.ts";

type Runtime = Launcher["runtime"];

export interface EnginesOptions {
  readonly spool: Spool;
  readonly log: Log;
  readonly process: Launcher;
  /** The node's policy: whether a process may be started here. */
  readonly allowProcess: boolean;
  /** Loaded when it is first needed: the client of the engine is heavy. */
  readonly docker: () => Promise<Launcher>;
}

const SEEN = "docker.seen";

const refuse = (): Promise<never> =>
  Promise.reject(new LaunchError("this node's policy does not allow the process runtime"));

/**
 * The runtimes of this node and whether they answer. A container engine that has answered once belongs to the node for
 * good: when it is away the node is not ready, and its cells never fall back to another runtime.
 */
export class Engines {
  /** The container engine as it last described itself. */
  engine: Engine | null = null;
  /** Why no work can be taken, in one line; null when all is well. */
  problem: string | null = "not looked yet";
  /** Names of the images that are here with their frozen form. */
  images: Record<string, string> = {};
  private docker: Launcher | null = null;
  private looking: Promise<void> | null = null;
  private listing: Promise<void> | null = null;
  private readonly options: EnginesOptions;

  constructor(options: EnginesOptions) {
    this.options = options;
  }

  /** What this node offers, best first. */
  runtimes(): Runtime[] {
    return this.inhabited().filter((one) => one !== "process" || this.options.allowProcess);
  }

  /** Where something may run that this node has started, whatever it offers now. */
  inhabited(): Runtime[] {
    return this.options.spool.meta(SEEN) === undefined ? ["process"] : ["docker", "process"];
  }

  /** Follows, ends and removes what runs, also of a runtime that the policy does not allow to start anything. */
  async launcher(runtime: Runtime): Promise<Launcher> {
    if (runtime === "docker") return (this.docker ??= await this.options.docker());
    const { process, allowProcess } = this.options;
    return allowProcess ? process : { ...process, create: refuse, start: refuse };
  }

  /** Asks the engine whether it is there, and begins to ask for its images. Calls at the same time share one look. */
  look(): Promise<void> {
    this.looking ??= this.lookNow().finally(() => {
      this.looking = null;
    });
    return this.looking;
  }

  /** Until the images that were asked for are known, or cannot be: a long list must not hold up who only asks for readiness. */
  async listed(): Promise<void> {
    await this.listing;
  }

  private async list(docker: Launcher): Promise<void> {
    try {
      this.images = await docker.images();
    } catch (error) {
      this.options.log.warn({ error: String(error) }, "cannot list the images");
    } finally {
      this.listing = null;
    }
  }

  private async lookNow(): Promise<void> {
    const { spool } = this.options;
    try {
      const docker = await this.launcher("docker");
      this.engine = await docker.engine();
      this.listing ??= this.list(docker);
      if (spool.meta(SEEN) === undefined) spool.setMeta(SEEN, "1");
      this.turn(null);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (this.runtimes().length === 0)
        this.turn(`no container engine answers: start Docker, or allow processes (${message})`);
      else this.turn(this.runtimes().includes("docker") ? message : null);
    }
  }

  private turn(problem: string | null): void {
    if (problem === this.problem) return;
    this.problem = problem;
    const { log } = this.options;
    if (problem === null) log.info({ engine: this.engine, runtimes: this.runtimes() }, "ready");
    else log.warn({ problem }, "not ready");
  }

  /**
   * Repeats a call that is safe to repeat until the engine answers: while it is away the state of what runs is unknown,
   * never dead. Ends with the last error when the signal fires.
   */
  async answered<T>(signal: AbortSignal, call: () => Promise<T>): Promise<T> {
    for (let failures = 1; ; failures += 1) {
      try {
        return await call();
      } catch (error) {
        if (!(error instanceof EngineGoneError) || signal.aborted) throw error;
        this.turn(error.message);
        await sleep(Math.min(backoff(failures), 10_000), signal);
      }
    }
  }
}
