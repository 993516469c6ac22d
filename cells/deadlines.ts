import type { DeadlineKinds } from "../storage/deadlines.ts";
import { onClaimEnd } from "./by-hand.ts";
import { forgetLog } from "./logs.ts";
import type { CellsDeps } from "./ports.ts";
import { onIdle } from "./idle.ts";
import { onSilence } from "./silence.ts";
import { onStranded } from "./stranded.ts";

/** The deadlines that the cells set. */
export const cellsDeadlines = (deps: Pick<CellsDeps, "leases" | "settings">): DeadlineKinds => ({
  "node.silent": {
    fire: onSilence(deps),
    keys: (node) => [`node:${node}`, "claims"],
    freezable: true,
  },
  "claim.end": { fire: onClaimEnd(deps), keys: () => ["claims"], freezable: true },
  "run.stranded": { fire: onStranded, keys: () => ["claims"], freezable: true },
  "sweep.idle": {
    fire: onIdle(deps),
    keys: (sweep) => [`sweep:${sweep}`, "claims"],
    freezable: true,
  },
  "log.forget": { fire: forgetLog },
});
