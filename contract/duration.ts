import { z } from "zod";
import { DAY_MS, MAX_DAYS, parseDuration } from "./units.ts";

const notDuration = (what: string): string =>
  `${what} is not a duration: write a number with a unit, such as 30s, 10m or 2h`;

const notSize = (what: string): string =>
  `${what} is not a size: write a number with a unit, such as 512MiB or 8GiB`;

/** The message for what is not even a text, such as a bare number; that it is missing is said elsewhere. */
const ofText =
  (message: (what: string) => string) =>
  ({ input }: { readonly input?: unknown }): string | undefined =>
    input === undefined ? undefined : message(JSON.stringify(input));

/** A duration as people write it, of at most so many days; parses to milliseconds. */
export const durationUpTo = (days: number) =>
  z.string({ error: ofText(notDuration) }).transform((text, context) => {
    const ms = parseDuration(text);
    if (ms !== undefined && ms <= days * DAY_MS) return ms;
    const message = ms === undefined ? notDuration(`"${text}"`) : `must be at most ${days}d`;
    context.addIssue({ code: "custom", message });
    return z.NEVER;
  });

export const Duration = durationUpTo(MAX_DAYS);

/** For durations that would leave no time at all. */
export const moreThanNothing = z.number().min(1, "must be more than 0s");

const UNIT_BYTES = {
  B: 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
} as const;

const isByteUnit = (unit: string | undefined): unit is keyof typeof UNIT_BYTES =>
  unit !== undefined && unit in UNIT_BYTES;

/** `512MiB`, `8GiB`, `80GB`, but not `0B`; parses to bytes. */
export const ByteSize = z.string({ error: ofText(notSize) }).transform((text, context) => {
  const match = /^(\d+(?:\.\d+)?)([KMGT]i?B|B)$/.exec(text);
  const unit = match?.[2];
  const bytes = isByteUnit(unit) ? Math.round(Number(match?.[1]) * UNIT_BYTES[unit]) : undefined;
  if (bytes !== undefined && bytes > 0 && Number.isSafeInteger(bytes)) return bytes;
  context.addIssue({ code: "custom", message: badSize(text, bytes) });
  return z.NEVER;
});

function badSize(text: string, bytes: number | undefined): string {
  if (bytes === undefined) return notSize(`"${text}"`);
  return bytes === 0 ? "must be more than 0B" : `${text} is more than any machine has`;
}
