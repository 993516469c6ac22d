import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    // Real databases, Git and containers: a process per file, and no more of them than a small machine has cores.
    pool: "forks",
    maxWorkers: 2,
    // What a test waits for comes in moments; these end what hangs, however busy the machine is.
    expect: { poll: { timeout: 60_000 } },
    testTimeout: 300_000,
    hookTimeout: 120_000,
    coverage: {
      provider: "v8",
      include: ["{storage,mailbox,reservations,cells,archive,reports}/**/*.ts"],
      thresholds: { lines: 90 },
    },
    projects: [
      {
        extends: true,
        test: {
          name: "main",
          include: ["tests/**/*.test.ts"],
          exclude: ["tests/alone/**", "tests/faults/**"],
        },
      },
      {
        extends: true,
        test: {
          name: "alone",
          include: ["tests/alone/**/*.test.ts"],
          // After all others, so that what must happen within seconds has the machine to itself.
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: "faults",
          include: ["tests/faults/**/*.test.ts"],
        },
      },
    ],
  },
});
