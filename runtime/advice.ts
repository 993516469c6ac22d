import { shellWord } from "../contract/shell-word.ts";

/** One command of ours, be it all of the advice or what the advice ends with, up to what it runs itself. */
const ONE_COMMAND = /(?:^|: )gridpost (?!server )(?:(?![,;] | -- | --help| --project).)+(?= -- |$)/;

/** Advice names no flags that were given: a command must name the project of `--project`, to be about the same. */
export const inProject = (next: string, project: string | undefined): string =>
  project === undefined
    ? next
    : next.replace(ONE_COMMAND, (command) => `${command} --project ${shellWord(project)}`);

/** What the contract says of a part of a request, for those who gave arguments. */
export const ofArguments = (said: string): string => said.replace(/^(params|query|body)\./, "");
