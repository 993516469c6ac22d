import { toTime } from "../contract/ids.ts";
import { namesIn } from "./read-message.ts";
import type { ThreadMessage } from "./thread-rows.ts";

/** The first lines of an exported thread. */
export const exportHead = (thread: string, project: string, open: boolean): string =>
  `---\nthread: ${thread}\nproject: ${project}\nopen: ${open}\n---\n\n`;

/** One message of an exported thread, as it was written, under a heading with its number among those exported. */
export function exportMessage(message: ThreadMessage, n: number): string {
  const { id, sender, to_list, cc_list, subject, body, payload, at } = message;
  const list = (label: string, names: readonly string[]): string =>
    names.length === 0 ? "" : `${label}: ${names.join(", ")}\n`;
  const head =
    `from: ${sender}\n${list("to", namesIn(to_list))}${list("cc", namesIn(cc_list))}` +
    `at: ${toTime(at)}\nid: ${id}\n`;
  const block = payload === null ? "" : `\n${fenced(JSON.stringify(JSON.parse(payload), null, 2))}`;
  return `## ${n}. ${oneLine(subject)}\n\n${fenced(head.trimEnd(), "yaml")}\n${body.trimEnd()}\n${block}\n`;
}

const oneLine = (text: string): string => text.replaceAll(/\s+/g, " ").trim();

/** A code block whose fence is longer than any in the text. */
function fenced(text: string, language = "json"): string {
  const longest = Math.max(2, ...[...text.matchAll(/`{3,}/g)].map(([run]) => run.length));
  const fence = "`".repeat(longest + 1);
  return `${fence}${language}\n${text}\n${fence}\n`;
}
