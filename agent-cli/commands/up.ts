import { join } from "node:path";
import { makeFolders } from "../../runtime/folders.ts";
import { untilSignal } from "../../runtime/shutdown.ts";
import { type Cli, type Define, examples } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { type LocalFleet, startFleet } from "../local-fleet.ts";
import { record } from "../view.ts";

/** `gridpost up` */
export const defineUp: Define = (program, cli) => {
  program
    .command("up")
    .description("Run a server and a node on this machine until Ctrl-C, and join as yourself")
    .option("--listen <host:port>", "where the server answers", "127.0.0.1:7411")
    .option("--json", "print one JSON document when both are ready")
    .addHelpText(
      "after",
      `${examples("up")}

Everything is kept under GRIDPOST_HOME/data. Cells that allow it run without a container.`,
    )
    .action(async ({ listen }) => {
      const { home } = cli.context({});
      const data = join(home, "data");
      await makeFolders(data);
      // A terminal that is closed leaves neither of the two behind.
      const stopAsked = untilSignal(["SIGINT", "SIGTERM", "SIGHUP"]);
      const fleet = startFleet({ home, data, listen, entry: cli.environment.entry });
      try {
        const up = await Promise.race([fleet.ready, stopAsked.then(() => undefined)]);
        if (up === undefined) return;
        await cli.out.show(
          up,
          record([
            ["server", up.url],
            ["you", up.user],
            ["node", up.node],
            ["data", up.data],
          ]),
        );
        await untilEnd(cli, fleet, stopAsked);
      } finally {
        await fleet.stop();
      }
    });
};

async function untilEnd(cli: Cli, fleet: LocalFleet, stopAsked: Promise<unknown>): Promise<void> {
  if (cli.out.tty) cli.out.note("Ctrl-C stops both");
  const death = await Promise.race([fleet.failed, stopAsked.then(() => undefined)]);
  if (death === undefined) return;
  cli.out.note(`gridpost: ${death}; its log is in ${join(cli.context({}).home, "data")}`);
  cli.exitWith(EXIT.failure);
}
