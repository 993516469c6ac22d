import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const oxlint = join(root, "node_modules/oxlint/bin/oxlint");
let copy: string;

/** Lints a copy of the rules beside the planted files; answers `file: rule` for each finding, in order. */
function lint(files: Readonly<Record<string, string>>): string[] {
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(copy, file)), { recursive: true });
    writeFileSync(join(copy, file), text);
  }
  const args = [oxlint, "--type-aware", "--deny-warnings", "-f", "unix", ...Object.keys(files)];
  const { status, stdout } = spawnSync(process.execPath, args, { cwd: copy, encoding: "utf8" });
  const findings = [...stdout.matchAll(/^(\S+?):\d+:\d+: .*\[Error\/\w+\((\S+)\)\]$/gm)];
  expect(status, stdout).toBe(findings.length === 0 ? 0 : 1);
  return findings.map(([, file, rule]) => `${file}: ${rule}`).toSorted();
}

/** One file per import, named by its place in the list. */
const planted = (imports: readonly Planted[]): Record<string, string> =>
  Object.fromEntries(
    imports.map(([folder, specifier], n) => [
      `${folder}/planted-${n}.ts`,
      `export * from ${JSON.stringify(specifier)};\n`,
    ]),
  );

type Planted = readonly [folder: string, specifier: string];

const refused: readonly Planted[] = [
  ["mailbox", "../cells/store.ts"],
  ["mailbox/deeper", "../../cells/store.ts"],
  ["reservations", "../mailbox/rules.ts"],
  ["cells", "../storage/sqlite.ts"],
  ["cells", "../runtime/config.ts"],
  ["reports", "better-sqlite3"],
  ["archive", "fastify"],
  ["mailbox", "simple-git"],
  ["server", "better-sqlite3"],
  ["server", "dockerode"],
  ["server", "../daemon/main.ts"],
  ["daemon", "better-sqlite3"],
  ["daemon", "../storage/db.ts"],
  ["agent-cli", "dockerode"],
  ["agent-cli", "../cells/rules.ts"],
  ["contract", "../runtime/log.ts"],
  ["contract", "node:fs"],
  ["runtime", "../storage/db.ts"],
  ["storage", "../mailbox/store.ts"],
  ["bin", "../mailbox/store.ts"],
];

const allowed: readonly Planted[] = [
  ["mailbox", "./rules.ts"],
  ["mailbox/deeper", "../../contract/ids.ts"],
  ["cells", "../storage/log.ts"],
  ["archive", "simple-git"],
  ["storage", "better-sqlite3"],
  ["server", "../cells/handlers.ts"],
  ["server", "@fastify/websocket"],
  ["daemon", "dockerode"],
  ["agent-cli/commands", "../output.ts"],
  ["contract/cell", "node:crypto"],
  ["bin", "../server/main.ts"],
];

beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), "gridpost-architecture-"));
  for (const file of [".oxlintrc.json", "tsconfig.json"])
    cpSync(join(root, file), join(copy, file));
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
});
afterAll(() => rmSync(copy, { recursive: true, force: true }));

describe("the rules of who may import whom", () => {
  test("every import across a border is refused", () => {
    const files = planted(refused);
    const expected = Object.keys(files).map((file) => `${file}: no-restricted-imports`);
    expect(lint(files)).toEqual(expected.toSorted());
  });

  test("the imports that the house is built of pass", () => {
    expect(lint(planted(allowed))).toEqual([]);
  });

  test("a dynamic import and an imported type obey them too", () => {
    const file = "mailbox/planted.ts";
    const dynamic =
      'export const load = async (): Promise<unknown> => import("../cells/store.ts");\n';
    expect(lint({ [file]: dynamic })).toEqual([`${file}: no-restricted-imports`]);
    const type = 'import type { Run } from "../cells/store.ts";\nexport type Mine = Run;\n';
    expect(lint({ [file]: type })).toEqual([`${file}: no-restricted-imports`]);
  });
});

test("the rules that hold everywhere are on, the ones that need types included", () => {
  const mistakes: Readonly<Record<string, string>> = {
    "no-floating-promises":
      "const f = async (): Promise<void> => {};\nexport const g = (): void => {\n  f();\n};\n",
    "no-misused-promises": "export const timer = setInterval(async () => {}, 1);\n",
    "await-thenable": "export const f = async (x: number): Promise<number> => await x;\n",
    "switch-exhaustiveness-check": `export const f = (x: "a" | "b"): number => {
      switch (x) { case "a": return 1; }
      return 2;
    };`,
    "no-explicit-any": "export const f = (x: any): unknown => x;\n",
    "no-default-export": "export default 1;\n",
    "no-console": 'export const f = (): void => console.log("x");\n',
    "no-process-env": "export const home = process.env;\n",
    eqeqeq: "export const f = (x: unknown): boolean => x == 1;\n",
    "max-params": "export const f = (a: 1, b: 2, c: 3, d: 4): unknown => [a, b, c, d];\n",
    complexity: `export const f = (x: number): boolean => ${Array.from({ length: 13 }, (_, n) => `x === ${n}`).join(" || ")};\n`,
    "max-lines": `export const x = 1;\n${"// a line\n".repeat(300)}`,
    "max-lines-per-function": `export const f = (): void => {\n${"  // a line\n".repeat(59)}};\n`,
  };
  const file = (rule: string): string => `reports/${rule}.ts`;
  const files = Object.fromEntries(
    Object.entries(mistakes).map(([rule, text]) => [file(rule), text]),
  );
  const expected = Object.keys(mistakes).map((rule) => `${file(rule)}: ${rule}`);
  expect(lint(files)).toEqual(expected.toSorted());
});
