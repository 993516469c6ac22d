import { z } from "zod";
import { parseDuration } from "./units.ts";

const notDuration = (what: string): string =>
  `${what} is not a duration: write a number with a unit, such as 30s, 10m or 2h`;

const notSize = (what: string): string =>
  `${what} is not a size: write a number with a unit, such as 512MiB or 8GiB`;

/** The message for what is not even a text, such as a bare number; that it is missing is said elsewhere. */
const ofText =
  (message: (what: string) => string) =>
  ({ input }: { readonly input?: unknown }): string | undefined =>
    input === undefined ? undefined : message(JSON.stringify(input));

/** A duration as people write it; parses to milliseconds. */
export const Duration = z.string({ error: ofText(notDuration) }).transform((text, context) => {
  const ms = parseDuration(text);
  if (ms !== undefined) return ms;
  context.addIssue({ code: "custom", message: notDuration(`"${text}"`) });
  return z.NEVER;
});

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

/** `512MiB`, `8GiB`, `80GB`; parses to bytes. */
export const ByteSize = z.string({ error: ofText(notSize) }).transform((text, context) => {
  const match = /^(\d+(?:\.\d+)?)([KMGT]i?B|B)$/.exec(text);
  const unit = match?.[2];
  if (isByteUnit(unit)) return Math.round(Number(match?.[1]) * UNIT_BYTES[unit]);
  context.addIssue({ code: "custom", message: notSize(`"${text}"`) });
  return z.NEVER;
});
