import { NOUNS } from "./commands.ts";

/** What `gridpost` without a command prints. */
export function overview(): string {
  const width = Math.max(...NOUNS.map(({ name }) => name.length));
  const topics = [...new Set(NOUNS.map(({ topic }) => topic))];
  const sections = topics.map((topic) =>
    [
      `${topic}:`,
      ...NOUNS.filter((noun) => noun.topic === topic).map(
        ({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`,
      ),
    ].join("\n"),
  );
  return [
    "gridpost: mail, leases and a result ledger for fleets of GPU benchmark nodes",
    "Usage: gridpost COMMAND [--json] [--as AGENT] [--project NAME] [--url URL]",
    ...sections,
    "First steps:\n  $ gridpost up\n  $ gridpost agent register blue\n  $ gridpost send blue -s Hello -b World",
    "`gridpost COMMAND --help` explains a command.",
  ].join("\n\n");
}
