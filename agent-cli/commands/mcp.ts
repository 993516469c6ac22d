import { randomUUID } from "node:crypto";
import { Option } from "@commander-js/extra-typings";
import type { Api } from "../api.ts";
import { type Define, examples, leaf } from "../command.ts";
import { failureOf } from "../failure.ts";
import { bridgeMcp } from "../mcp-bridge.ts";
import { repositoryName } from "../repository.ts";

/** A lease session falls into grace after 45 s of silence: two beats may get lost. */
const BEAT_MS = 15_000;

/** `gridpost mcp` */
export const defineMcp: Define = (program, cli) => {
  leaf(program, "mcp", "Speak MCP on stdin and stdout for a coding agent, until stdin closes")
    .addOption(
      new Option("--profile <profile>", "which tools").choices(["default", "agent-mail"] as const),
    )
    .addHelpText(
      "after",
      `${examples("mcp --as blue", "mcp --profile agent-mail")}

Leases that are taken over this connection are kept while it lives. In the agent-mail profile --as may be left
out: macro_start_session or register_agent then says which agent of yours the connection is, and its leases
live by their TTL.`,
    )
    .action(async ({ profile = "default", ...options }) => {
      const named = cli.context(options);
      const acting =
        named.actingAs === undefined && profile === "default" ? await named.agent() : undefined;
      const context = cli.context({ ...options, as: acting?.name ?? options.as });
      const { project } = context;
      // Leases that are taken over it are about the files that it was started among.
      const query = new URLSearchParams({ profile, project, repo: await repositoryName() });
      const url = new URL(`/mcp?${query.toString()}`, await context.url());
      const session = context.actingAs === undefined ? undefined : randomUUID();
      const beat =
        session === undefined ? undefined : keep(await context.caller(), project, session);
      await bridgeMcp({
        url,
        token: await context.token(),
        headers: session === undefined ? {} : { "gridpost-lease-session": session },
        // Whoever reads it does not have this process's environment.
        explain: (error) =>
          failureOf(error, { argv: ["mcp", "--project", project], key: undefined }).problem,
      });
      clearInterval(beat);
    });
};

/** Beats for the leases of the connection; before the first one there is nothing to keep, and a lost beat is made up for by the next. */
const keep = (api: Api, project: string, session: string): NodeJS.Timeout =>
  setInterval(() => {
    api(
      "POST /v1/projects/:project/lease-sessions/:session/beat",
      { params: { project, session }, body: { leases: [] } },
      { unkeyed: true },
    ).catch(() => undefined);
  }, BEAT_MS);
