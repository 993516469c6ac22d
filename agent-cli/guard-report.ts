import { askHolder } from "../contract/ask-holder.ts";
import type { Blocked, Verdict } from "./guard-ask.ts";
import { oneLine } from "./view.ts";

const SHOWN = 20;

/** What people read of a verdict. */
export function describeVerdict({ verdict, blocked, why }: Verdict): string {
  if (verdict === "clear") return "clear";
  if (verdict === "unknown") return `cannot tell: ${why ?? "no answer"}`;
  const more = blocked.length > SHOWN ? [`  and ${blocked.length - SHOWN} more`] : [];
  return [...blocked.slice(0, SHOWN).map(describeBlocked), ...more].join("\n");
}

function describeBlocked({ path, pattern, holder, expiresAt, reason, thread }: Blocked): string {
  const until = expiresAt === null ? "" : ` until ${expiresAt}`;
  const about = [reason, thread === null ? null : `thread ${thread}`].filter((one) => one !== null);
  const why = about.length === 0 ? "" : ` (${about.join("; ")})`;
  // The reason is another's, and a path may hold whatever a file system takes.
  return [
    `  ${path}: ${holder} holds ${pattern}${until}${why}`,
    `    ask: ${askHolder(holder, path)}`,
  ]
    .map(oneLine)
    .join("\n");
}
