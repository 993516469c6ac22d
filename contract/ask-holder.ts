import { shellWord } from "./shell-word.ts";

/** The command that asks the holder of a lease for a path that the guard has found it in the way of. */
export const askHolder = (holder: string, path: string): string =>
  `gridpost send ${holder} -s ${shellWord(`may I change ${path}?`)}`;
