import { z } from "zod";
import { sha256 } from "../../contract/cell/cell-id.ts";
import { expandSweep } from "../../contract/cell/expand.ts";
import { ProblemError } from "../../contract/problem.ts";
import type { Report } from "../../contract/report.ts";
import { type ReadSweepFile, readSweepFile } from "../../runtime/sweep-file.ts";
import { given } from "./mail-tools.ts";
import { type McpCall, toolsFor } from "./tool.ts";

const tool = toolsFor<McpCall>();
const MAX_CELLS_SHOWN = 50;

export const sweepTools = [
  tool({
    name: "sweep",
    description:
      "`plan`: the cells of a sweep file (YAML in `text`), nothing runs. `run`: submit it. `status`: how a sweep stands; `waitSeconds` waits for its end. `list`: the newest.",
    input: z.strictObject({
      action: z.enum(["plan", "run", "status", "list"]),
      text: z.string().optional(),
      files: z.record(z.string(), z.string()).optional().describe("path -> text of cell.files"),
      sweep: z.string().optional(),
      waitSeconds: z.int().min(0).max(300).optional(),
    }),
    run: async ({ action, text, files = {}, sweep, waitSeconds = 0 }, { client, project }) => {
      const params = { project };
      switch (action) {
        case "plan":
          return planOf(parsed(text), files);
        case "run":
          return client.cells.submitSweep({
            params,
            body: {
              sweep: parsed(text).source,
              files: Object.entries(files).map(([path, content]) => ({
                path,
                content: Buffer.from(content).toString("base64"),
              })),
            },
          });
        case "status":
          return client.cells.sweep({
            params: { project, sweep: need(sweep, "sweep") },
            query: { wait: waitSeconds * 1_000 },
          });
        case "list":
          return client.cells.sweeps({ params, query: { limit: 20 } });
      }
    },
  }),
  tool({
    name: "report",
    description:
      "`get`: the report of a sweep as text. `why`: its attempts that gave no result, with the reason. `missing`: its cells without any result.",
    input: z.strictObject({
      action: z.enum(["get", "why", "missing"]).optional(),
      sweep: z.string(),
    }),
    run: async ({ action = "get", sweep }, { client, project }) => {
      const params = { project, sweep };
      if (action === "get")
        return (await client.reports.report({ params, query: { format: "text" } })).text;
      const { report } = await client.reports.report({ params });
      return report === null ? null : excerpt(report, action);
    },
  }),
];

function excerpt({ headline, failures, cells }: Report, action: "why" | "missing"): unknown {
  if (action === "why") return { headline, failures };
  const missing = cells.filter(({ summaries }) => summaries.length === 0);
  return { headline, missing: missing.map(({ id, axes, runs }) => ({ id, axes, runs })) };
}

type Parsed = Extract<ReadSweepFile, { ok: true }>;

function parsed(text: string | undefined): Parsed {
  const read = readSweepFile(need(text, "text"), "text");
  if (read.ok) return read;
  throw new ProblemError("BAD_REQUEST", `mistakes in the sweep file: ${read.problems.length}`, {
    details: read.problems.map(({ line, path, message }) => ({ line, path, message })),
    next: "mend them and call sweep with action plan",
  });
}

function planOf({ sweep }: Parsed, files: Record<string, string>): unknown {
  const identities = new Map(
    Object.entries(files).map(([path, text]) => [
      path,
      { sha256: sha256(text), size: Buffer.byteLength(text) },
    ]),
  );
  const { cells } = expandSweep(sweep, identities);
  return {
    runs: cells.length * sweep.blocks,
    repeats: sweep.repeats,
    cells: cells.slice(0, MAX_CELLS_SHOWN).map(({ id, axes }) => ({ id, axes })),
    ...given({ more: cells.length > MAX_CELLS_SHOWN ? cells.length - MAX_CELLS_SHOWN : undefined }),
  };
}

function need(value: string | undefined, name: string): string {
  if (value !== undefined) return value;
  throw new ProblemError("BAD_REQUEST", `this action needs \`${name}\``, {
    next: `call it again with ${name}`,
  });
}
