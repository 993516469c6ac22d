import { type Command, Option } from "@commander-js/extra-typings";
import { count, duration, given } from "../arguments.ts";
import { change, type Cli, type Define, examples, group, leaf, list } from "../command.ts";
import { revokedView } from "../revoked-view.ts";
import { at, record, table, text } from "../view.ts";

const kindOption = () =>
  new Option("--kind <kind>", "whom the token lets in")
    .choices(["user", "node", "agent"] as const)
    .makeOptionMandatory();

const roleOption = () =>
  new Option("--role <role>", "what a new user may do").choices([
    "admin",
    "operator",
    "member",
    "viewer",
  ] as const);

/** `gridpost token` */
export const defineToken: Define = (program, cli) => {
  const token = group(program, "token", "Join tokens, and access tokens for scripts");

  defineCreate(token, cli);
  defineListVerbs(token, cli);
  defineReadmit(token, cli);
  definePrint(token, cli);
  defineRotate(token, cli);
};

function defineCreate(token: Command, cli: Cli): void {
  leaf(token, "create", "Make a join token; it is shown this once")
    .addOption(kindOption())
    .option("--name <name>", "the only name that it is good for")
    .option("--name-pattern <pattern>", "names that it is good for, such as gpu-[001-512]")
    .option("--uses <n>", "how many may join with it (nodes only)", count)
    .option("--ttl <duration>", "how long it is good for, such as 10m", duration)
    .addOption(roleOption())
    .addHelpText(
      "after",
      examples(
        "token create --kind node --name gpu-7 > node.join",
        "token create --kind node --uses 512 --name-pattern 'gpu-[001-512]' --ttl 24h",
        "token create --kind user --name anna --role member --json",
      ),
    )
    .action(async (options) => {
      const { kind, name, namePattern, uses, ttl: ttlMs, role } = options;
      const context = cli.context(options);
      const api = await context.user();
      const project = kind === "agent" ? context.project : options.project;
      const made = await api(
        "POST /v1/tokens",
        { body: { kind, ...given({ name, namePattern, uses, ttlMs, role, project }) } },
        { unkeyed: true },
      );
      // The token alone, so that `> file` makes the file that --token-file takes.
      await cli.out.show(made, text(made.token));
      if (cli.out.tty)
        cli.out.note(made.expiresAt === null ? "never expires" : `expires ${made.expiresAt}`);
    });
}

function defineListVerbs(token: Command, cli: Cli): void {
  list(token, "ls", "List join tokens").action(async ({ after, limit, ...common }) => {
    const api = await cli.context(common).user();
    const page = await api("GET /v1/tokens", { query: given({ after, limit }) });
    const rows = page.tokens.map((one) => [
      one.id,
      one.kind,
      one.name ?? one.namePattern,
      one.usesLeft,
      one.revoked ? "revoked" : at(one.expiresAt),
    ]);
    await cli.out.show(
      page,
      table(["ID", "KIND", "FOR", "USES LEFT", "EXPIRES"], rows, "no join tokens"),
    );
  });

  change(token, "revoke <what>", "Make a join token useless, or all keys and tokens of somebody")
    .option("--reason <text>", "why")
    .addHelpText(
      "after",
      examples("token revoke 01991c7e-…", "token revoke user:anna --reason 'left the team'"),
    )
    .action(async (what, { reason, ...options }) => {
      const idempotencyKey = cli.key(options);
      const api = await cli.context(options).user();
      // A principal is written with its kind: user:anna, node:n1, agent:default/blue.
      const revoked = what.includes(":")
        ? await api(
            "POST /v1/principals/:principal/revoke",
            { params: { principal: what }, body: given({ reason }) },
            { idempotencyKey },
          )
        : await api("POST /v1/tokens/:id/revoke", { params: { id: what } }, { idempotencyKey });
      await cli.out.show(revoked, revokedView(revoked));
    });
}

function defineReadmit(token: Command, cli: Cli): void {
  change(token, "readmit <user>", "Let a revoked user of an outside issuer in again")
    .option("--reason <text>", "why")
    .addHelpText("after", examples("token readmit user:sso-anna --reason 'was a mistake'"))
    .action(async (principal, { reason, ...options }) => {
      const idempotencyKey = cli.key(options);
      const api = await cli.context(options).user();
      const done = await api(
        "POST /v1/principals/:principal/readmit",
        { params: { principal }, body: given({ reason }) },
        { idempotencyKey },
      );
      await cli.out.show(done, record([["readmitted", done.principal]]));
    });
}

function definePrint(token: Command, cli: Cli): void {
  leaf(token, "print", "Print an access token, good for some minutes, for scripts")
    .addHelpText(
      "after",
      `${examples("token print --as blue")}
  $ curl -H "Authorization: Bearer $(gridpost token print)" http://127.0.0.1:7411/v1/whoami`,
    )
    .action(async (options) => {
      const source = await cli.context(options).token();
      const access = (await source(false)) ?? "";
      await cli.out.show({ token: access }, text(access));
    });
}

function defineRotate(token: Command, cli: Cli): void {
  change(token, "rotate-key", "Publish the server's next signing key, which signs after a while")
    .option("--delay <duration>", "when it begins to sign (default 10m)", duration)
    .option("--revoke-old", "refuse the old keys, and every token that they signed, at once")
    .action(async ({ delay: delayMs, revokeOld, ...options }) => {
      const idempotencyKey = cli.key(options);
      const api = await cli.context(options).user();
      const made = await api(
        "POST /v1/signing-keys/rotate",
        { body: given({ delayMs, revokeOld }) },
        { idempotencyKey },
      );
      await cli.out.show(
        made,
        record([
          ["key", made.kid],
          ["signs", at(made.activeFrom)],
        ]),
      );
    });
}
