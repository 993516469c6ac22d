import { ProblemError } from "../contract/problem-error.ts";

/** `HTTP://Host:80/` and `http://host` are one server. @throws ProblemError BAD_REQUEST */
export function originOf(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed !== undefined && /^https?:$/.test(parsed.protocol)) return parsed.origin;
  throw new ProblemError("BAD_REQUEST", `${JSON.stringify(url)} is not the address of a server`, {
    next: "write it as http://127.0.0.1:7411 or https://host",
  });
}

/**
 * Refuses to send what proves who one is where others may read it.
 * @param url an origin
 * @throws ProblemError BAD_REQUEST for plain HTTP beyond loopback, unless that is allowed
 */
export function refusePlainHttp(url: string, allowed: boolean): void {
  const { protocol, hostname } = new URL(url);
  const loopback = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
  if (protocol === "https:" || loopback || allowed) return;
  throw new ProblemError("BAD_REQUEST", `${url} is plain HTTP beyond this machine`, {
    next: "use https://, or add --insecure on a network that you trust",
  });
}
