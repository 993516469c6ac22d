import { existsSync, readFileSync } from "node:fs";
import { z } from "zod";

/** The package's own version: `package.json` is one folder up from the sources and two from `dist/`. */
export function packageVersion(): string {
  const near = new URL("../package.json", import.meta.url);
  const file = existsSync(near) ? near : new URL("../../package.json", import.meta.url);
  return z.object({ version: z.string() }).parse(JSON.parse(readFileSync(file, "utf8"))).version;
}
