/** The first thing that is wrong with a repository. */
export interface Fault {
  /** `journal` or `project/<name>`. */
  readonly repository: string;
  readonly commit: string | null;
  readonly file: string | null;
  /** From 1, in the file. */
  readonly line: number | null;
  /** In one line. */
  readonly problem: string;
}

/** `journal, segments/…/1-200.jsonl line 17: the line was changed`. */
export function describeFault({ repository, commit, file, line, problem }: Fault): string {
  const place = file === null ? "" : `, ${file}${line === null ? "" : ` line ${line}`}`;
  const at = commit === null ? "" : ` (commit ${commit})`;
  return `${repository}${place}: ${problem}${at}`;
}
