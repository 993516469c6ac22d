const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

export const DAY_MS = UNIT_MS.d;
/** The longest duration that a setting or an option takes. */
export const MAX_DAYS = 365;

const isUnit = (unit: string | undefined): unit is keyof typeof UNIT_MS =>
  unit !== undefined && unit in UNIT_MS;

/** Milliseconds as people write them, in the largest unit that leaves nothing over: `7d`, `90s`. */
export function durationText(ms: number): string {
  const units = Object.entries(UNIT_MS);
  const [unit, size] = (ms === 0 ? undefined : units.findLast(([, one]) => ms % one === 0)) ?? [
    "s",
    UNIT_MS.s,
  ];
  return `${ms / size}${unit}`;
}

/** `30s`, `10m`, `2h`, `7d`, `500ms` in milliseconds; undefined for anything else, a bare number included. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text);
  const unit = match?.[2];
  return isUnit(unit) ? Math.round(Number(match?.[1]) * UNIT_MS[unit]) : undefined;
}

/** `1 cell`, `12 cells` */
export const counted = (count: number, noun: string): string =>
  `${count} ${noun}${count === 1 ? "" : "s"}`;
