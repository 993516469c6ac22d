import { ProblemError } from "../contract/problem-error.ts";

/** `HTTP://Host:80/` and `http://host` are one server. @throws ProblemError BAD_REQUEST */
export function originOf(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed !== undefined && /^https?:$/.test(parsed.protocol)) return parsed.origin;
  throw new ProblemError("BAD_REQUEST", `${JSON.stringify(url)} is not the address of a server`, {
    next: "write it as http://127.0.0.1:7411 or https://host",
  });
}
