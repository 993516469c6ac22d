import type { Answer } from "./api.ts";
import type { Output } from "./output.ts";
import { patiently, RESTART_MS } from "./patience.ts";

export type LogPart = Answer<"GET /v1/projects/:project/runs/:run/logs">;
/** What follows a byte offset in the log of a run's latest attempt. */
type Page = (after: number) => Promise<LogPart>;

/** The log as far as it goes now: it ends with an empty part, or where the log of another attempt would begin. */
export async function wholeLog(page: Page, after: number): Promise<LogPart> {
  let whole = await page(after);
  for (let more = whole; more.text !== "";) {
    more = await page(whole.next);
    if (more.attempt !== whole.attempt) break;
    whole = { ...more, text: whole.text + more.text };
  }
  return whole;
}

/** Prints what comes until the run has ended. The log of a further attempt is another one: it is begun from its start. */
export async function followLog(
  page: Page,
  after: number,
  out: Pick<Output, "write" | "note">,
): Promise<void> {
  let attempt: string | null | undefined;
  for (let from = after, done = false; !done;) {
    // Whoever asks a server that is away is told at once; one that goes away meanwhile is waited for.
    const part = await patiently(attempt === undefined ? 0 : RESTART_MS, () => page(from));
    const another = typeof attempt === "string" && part.attempt !== attempt;
    attempt = part.attempt;
    from = another ? 0 : part.next;
    done = part.done && !another;
    if (another) out.note(`the run is tried again; this is the log of attempt ${attempt}:`);
    else if (part.text !== "" || done) out.write(part, part.text);
  }
}
