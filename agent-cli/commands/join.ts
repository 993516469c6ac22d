import { readText } from "../arguments.ts";
import { type Define, examples, leaf } from "../command.ts";
import { record } from "../view.ts";

/** `gridpost join` */
export const defineJoin: Define = (program, cli) => {
  leaf(program, "join <url>", "Make a key on this machine and register it with a server")
    .requiredOption("--token-file <file>", "the join token; - is stdin")
    .option("--as-user <name>", "your name, when the token is not bound to one")
    .addHelpText(
      "after",
      `${examples("join http://127.0.0.1:7411 --token-file data/admin.join --as-user anna")}

An admin makes a token with: gridpost token create --kind user --name NAME`,
    )
    .action(async (url, { tokenFile, asUser, insecure, ...common }) => {
      const { home } = cli.context(common);
      const token = await readText(tokenFile);
      const { joinServer } = await import("../../runtime/join.ts");
      const joined = await joinServer({
        url,
        token,
        home,
        ...(asUser === undefined ? {} : { name: asUser }),
        ...(insecure === undefined ? {} : { insecure }),
      });
      await cli.out.show(
        { ...joined, home },
        record([
          ["principal", joined.principal],
          ["server", joined.url],
          ["home", home],
        ]),
      );
    });
};

/** `gridpost whoami` */
export const defineWhoami: Define = (program, cli) => {
  leaf(program, "whoami", "Who the server says you are, and what you may do here")
    .addHelpText("after", examples("whoami", "whoami --as blue --json"))
    .action(async (options) => {
      const context = cli.context(options);
      const api = await context.caller();
      const me = await api("GET /v1/whoami", { query: { project: context.project } });
      await cli.out.show(
        me,
        record([
          ["principal", me.principal],
          ["acting for", me.act],
          ["project", context.project],
          ["agents", me.agents.map(({ name }) => name).join(", ")],
          ["scopes", me.scopes.join(" ")],
          ["server", `${await context.url()} (version ${me.server.version})`],
        ]),
      );
    });
};
