// A daemon that a test can kill: `daemon-child.ts OPTIONS CRASH`, both JSON.
import { DaemonOptions, type DaemonPorts, runDaemon } from "../../daemon/main.ts";
import { openLocalFile } from "../../storage/local-file.ts";
import { z } from "zod";

const [options = "{}", crash = "null"] = process.argv.slice(2);
const Crash = z.object({ when: z.enum(["before", "after"]), statement: z.string() }).nullable();
const crashAt = Crash.parse(JSON.parse(crash));

/** Dies at a place of the spool's script: what the daemon had done until then stays, and nothing after it happens. */
const openSpool: DaemonPorts["openSpool"] = (file) => {
  const db = openLocalFile(file);
  return {
    ...db,
    run: (text, values) => {
      const here = crashAt !== null && text.includes(crashAt.statement);
      if (here && crashAt.when === "before") process.kill(process.pid, "SIGKILL");
      db.run(text, values);
      if (here && crashAt.when === "after") process.kill(process.pid, "SIGKILL");
    },
  };
};

await runDaemon(DaemonOptions.parse(JSON.parse(options)), openSpool);
