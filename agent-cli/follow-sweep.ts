import { counted } from "../contract/units.ts";
import type { Answer, Api } from "./api.ts";
import { patiently, RESTART_MS } from "./patience.ts";

export type Sweep = Answer<"GET /v1/projects/:project/sweeps/:sweep">;

/** How often progress is looked at. */
const POLL_MS = 2_000;

export interface Follow {
  readonly api: Api;
  readonly project: string;
  /** Id or name. */
  readonly sweep: string;
  /** The server has just taken it: if it is away now, it will be back. */
  readonly submitted?: true;
  /** Called with the first view, and again whenever the states of the runs have changed. */
  readonly onChange: (sweep: Sweep) => void;
}

/**
 * Waits until a sweep has ended and gives its last view. Whoever asks a server that is away is told at once; one that goes
 * away meanwhile is waited for.
 * @throws what the last call did after a minute without the server
 */
export async function followSweep(follow: Follow): Promise<Sweep> {
  const { api, project, sweep, submitted = false, onChange } = follow;
  let seen = "";
  // A name may come to mean a newer sweep meanwhile.
  let followed = sweep;
  for (;;) {
    const view = await patiently(submitted || seen !== "" ? RESTART_MS : 0, () =>
      api(
        "GET /v1/projects/:project/sweeps/:sweep",
        { params: { project, sweep: followed }, query: { wait: POLL_MS } },
        { timeoutMs: POLL_MS + 30_000 },
      ),
    );
    followed = view.sweep;
    const states = JSON.stringify([view.state, view.states]);
    if (states !== seen) onChange(view);
    seen = states;
    if (view.state !== "active") return view;
  }
}

const ENDED = ["succeeded", "failed", "invalid", "skipped", "cancelled"] as const;
const GOING_ON = ["running", "claimed", "queued", "blocked"] as const;

/** `5 of 12 runs ended: 4 succeeded, 1 failed; 1 running, 6 queued` */
export function progressLine({ name, runs, states }: Sweep): string {
  const counts = (of: readonly (keyof Sweep["states"])[]): string =>
    of
      .filter((state) => (states[state] ?? 0) > 0)
      .map((state) => `${states[state]} ${state}`)
      .join(", ");
  const ended = ENDED.reduce((sum, state) => sum + (states[state] ?? 0), 0);
  const parts = [counts(ENDED), counts(GOING_ON)].filter((part) => part !== "");
  return `${name}: ${ended} of ${counted(runs, "run")} ended${parts.length > 0 ? `: ${parts.join("; ")}` : ""}`;
}

export const allSucceeded = ({ runs, states }: Sweep): boolean => states.succeeded === runs;
