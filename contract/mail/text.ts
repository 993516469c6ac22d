import { z } from "zod";
import { MAX_BODY_BYTES } from "./limits.ts";

/** Characters of a subject. */
export const MAX_SUBJECT = 200;
/** Recipients of a message, with the members of its groups; and members of a group. `@all` is not counted. */
export const MAX_RECIPIENTS = 1_000;
/** Bytes of a payload's data as JSON. */
export const MAX_PAYLOAD_BYTES = 65_536;
const MAX_PAYLOAD_DEPTH = 32;
/** Files of a message. */
export const MAX_ATTACHMENTS = 16;
/** Bytes of one of them. */
export const MAX_ATTACHMENT_BYTES = 10 * 1_048_576;

/** NUL characters, and halves of characters, which no UTF-8 holds. */
const UNSTORABLE = /[\0\p{Surrogate}]/u;

/** Text that every store and terminal can hold. */
export const Text = z.string().refine((text) => !UNSTORABLE.test(text), {
  message:
    "must not contain NUL characters or lone surrogates; encode binary data, or attach it as a file",
});

/** One line of text; longer than it may be is an error, not a cut. */
export const Subject = Text.min(1, "must not be empty")
  .max(MAX_SUBJECT, `must be at most ${MAX_SUBJECT} characters`)
  .refine((text) => !/[\r\n]/.test(text), { message: "must be one line" });

/** As much of a text as a subject holds, without half a character at its end. */
export const toSubject = (text: string): string =>
  text
    .replaceAll(/[\r\n]+/g, " ")
    .slice(0, MAX_SUBJECT)
    .replace(/\p{Surrogate}$/u, "");

const fits = (text: string, bytes: number): boolean =>
  // No character takes more than three bytes per UTF-16 unit, so that most texts need not be encoded.
  text.length * 3 <= bytes ||
  (text.length <= bytes && new TextEncoder().encode(text).length <= bytes);

/** GitHub-flavoured Markdown, kept as written. */
export const Body = Text.refine((text) => fits(text, MAX_BODY_BYTES), {
  message: `must be at most ${MAX_BODY_BYTES} bytes of UTF-8; attach longer text as a file`,
});

/** A name of an agent, `@group`, or `@all`. */
const Recipient = z.string().min(1).max(130);
/** Whom a message goes to, as its sender wrote it. */
export const Recipients = z
  .array(Recipient)
  .max(MAX_RECIPIENTS, `must name at most ${MAX_RECIPIENTS} recipients; use a group or @all`);

/** Whether JSON is not too deep for what recurses over it, and all of its text can be stored. */
function isStorable(data: unknown): boolean {
  let level: unknown[] = [data];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth >= MAX_PAYLOAD_DEPTH) return false;
    if (level.some((value) => typeof value === "string" && UNSTORABLE.test(value))) return false;
    const inner = level.filter((value) => typeof value === "object" && value !== null);
    if (inner.some((value) => UNSTORABLE.test(Object.keys(value as object).join("\n"))))
      return false;
    level = inner.flatMap((value) => Object.values(value as object) as unknown[]);
  }
  return true;
}

/** A block for programs beside the text: what kind it is, and its data. */
export const Payload = z.strictObject({
  kind: z
    .string()
    .regex(
      /^[a-z0-9][a-z0-9._/-]{0,63}$/,
      "must be a word such as build.result, up to 64 characters",
    ),
  data: z
    .record(z.string(), z.unknown())
    .refine((data) => isStorable(data), {
      message: `must be JSON of at most ${MAX_PAYLOAD_DEPTH} levels, without NUL characters and lone surrogates`,
      abort: true,
    })
    .refine((data) => fits(JSON.stringify(data), MAX_PAYLOAD_BYTES), {
      message: `must be at most ${MAX_PAYLOAD_BYTES} bytes of JSON; attach more as a file`,
    }),
});
export type Payload = z.infer<typeof Payload>;
