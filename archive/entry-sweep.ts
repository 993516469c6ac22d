import type { EventBody, EventType } from "../contract/events/index.ts";
import type { LoggedEvent } from "../storage/log.ts";
import { dayOf, isoOf, jsonFile, type Plan, stampOf } from "./plan.ts";
import type { RenderedReport } from "./ports.ts";

type Entries<T extends EventType> = (event: LoggedEvent, body: EventBody<T>) => readonly Plan[];

/** A file of fixed name in the folder of a sweep. */
const sweepFile = (sweep: string, name: string, text: string): Plan => ({
  within: "sweeps",
  branch: sweep,
  starts: true,
  many: false,
  name,
  text,
});

const head = ({ at, actor, id }: LoggedEvent): Readonly<Record<string, unknown>> => ({
  at: isoOf(at),
  actor,
  event: id,
});

const submitted: Entries<"sweep.submitted"> = (event, { id, cells, runs, ...sweep }) => [
  sweepFile(id, "sweep.json", jsonFile({ id, ...head(event), ...sweep })),
  sweepFile(id, "cells.jsonl", lines(cells)),
  sweepFile(id, "runs.jsonl", lines(runs)),
];

const lines = (rows: readonly object[]): string =>
  rows.map((row) => `${JSON.stringify(row)}\n`).join("");

const ended: Entries<"sweep.finished"> = (event, { id, states }) => [
  sweepFile(id, "finished.json", jsonFile({ id, ...head(event), states })),
];

const cancelled: Entries<"sweep.cancelled"> = (event, { id, reason }) => [
  sweepFile(id, "cancelled.json", jsonFile({ id, ...head(event), reason })),
];

/** A report that was taken, with what became of the run. */
const result =
  (state: string): Entries<"run.succeeded"> & Entries<"run.failed"> & Entries<"run.requeued"> =>
  (event, body) => {
    if (body.report === null) return [];
    const plan: Plan = {
      within: "sweeps",
      branch: body.sweep,
      starts: true,
      below: "results",
      many: true,
      name: `${stampOf(event.at)}-${body.attempt}.json`,
      text: jsonFile({ ...head(event), state, ...body }),
    };
    return [plan];
  };

/** What names no sweep lies by its day. */
const byDay =
  (folder: string, idOf: (body: never) => string) =>
  (event: LoggedEvent, body: unknown): readonly Plan[] => [
    {
      within: `${folder}/${dayOf(event.at)}`,
      many: true,
      name: `${stampOf(event.at)}-${idOf(body as never)}.json`,
      text: jsonFile({ ...head(event), ...(body as object) }),
    },
  ];

const entries: { readonly [T in EventType]?: Entries<T> } = {
  "sweep.submitted": submitted,
  "sweep.finished": ended,
  "sweep.cancelled": cancelled,
  "run.succeeded": result("succeeded"),
  "run.failed": result("failed"),
  "run.requeued": result("queued"),
  "attempt.superseded": byDay("superseded", ({ attempt }: { attempt: string }) => attempt),
  "session.granted": byDay("sessions", ({ id }: { id: string }) => id),
};

export const sweepEntries = (type: string): Entries<never> | undefined =>
  entries[type as EventType] as Entries<never> | undefined;

/** The files of the report of a finished sweep. */
export const reportEntries = (sweep: string, { json, markdown }: RenderedReport): readonly Plan[] =>
  [
    ["report.json", json],
    ["report.md", markdown],
  ].map(([name = "", text = ""]) => ({
    within: "reports",
    branch: sweep,
    starts: true,
    many: false,
    name,
    text,
  }));
