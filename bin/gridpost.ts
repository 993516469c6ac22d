#!/usr/bin/env node
import { fileURLToPath } from "node:url";
import { main } from "../agent-cli/main.ts";

// Whoever started us through a pipe may have seen enough: `gridpost inbox | head -1`.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit();
  process.stderr.write(`gridpost: cannot write the answer: ${error.message}\n`);
  process.exit(1);
});

// A full disk under the log, or a reader of it that ended, must not end a server or a daemon.
process.stderr.on("error", () => undefined);

/** A service that `gridpost up` started ends with its parent, however that ended. */
function endWithParent(): void {
  process.once("disconnect", () => process.kill(process.pid, "SIGTERM"));
  process.channel?.unref();
}

process.exitCode = await main(process.argv.slice(2), {
  variables: process.env,
  entry: fileURLToPath(import.meta.url),
  runServer: async (flags) => {
    endWithParent();
    const { runServer } = await import("../server/main.ts");
    await runServer(flags);
  },
  runDaemon: async (flags) => {
    endWithParent();
    const { runDaemon } = await import("../daemon/main.ts");
    const { openLocalFile } = await import("../storage/local-file.ts");
    await runDaemon(flags, openLocalFile);
  },
  restoreServer: async (source, data) => {
    const { runRestore } = await import("../server/main.ts");
    return runRestore(source, data);
  },
  verifyClone: async (folder, since) => {
    const { verifyClone } = await import("../server/main.ts");
    return verifyClone(folder, since);
  },
  lockFile: async (file) => {
    const { openLocalFile } = await import("../storage/local-file.ts");
    return openLocalFile(file);
  },
});
