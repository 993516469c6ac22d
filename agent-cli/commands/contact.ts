import type { Answer, Request } from "../api.ts";
import { duration, given } from "../arguments.ts";
import { change, type Cli, type Define, examples, group, list } from "../command.ts";
import type { CommonOptions } from "../context.ts";
import { at, record, table, type View } from "../view.ts";

type Contact = Answer<"POST /v1/projects/:project/agents/:name/contacts">;

const contactView = (contact: Contact): View =>
  record([
    ["agent", contact.agent],
    ["peer", contact.peer],
    ["state", contact.state],
    ["reason", contact.reason],
    ["expires", at(contact.expiresAt)],
  ]);

/** `gridpost contact` */
export const defineContact: Define = (program, cli) => {
  const contacts = group(program, "contact", "Contacts: who may write to your agent");

  list(contacts, "ls", "List your agent's contacts and requests").action(
    async ({ after, limit, ...common }) => {
      const context = cli.context(common);
      const { api, name } = await context.agent();
      const page = await api("GET /v1/projects/:project/agents/:name/contacts", {
        params: { project: context.project, name },
        query: given({ after, limit }),
      });
      const rows = page.contacts.map((one) => [
        one.agent,
        one.peer,
        one.state,
        one.reason,
        at(one.expiresAt),
      ]);
      const columns = ["AGENT", "PEER", "STATE", "REASON", "EXPIRES"];
      await cli.out.show(page, table(columns, rows, "no contacts"));
    },
  );

  change(contacts, "request <agent>", "Ask an agent to let you write to it")
    .option("--reason <text>", "why")
    .option("--ttl <duration>", "how long the request stands (default 7d)", duration)
    .addHelpText("after", examples("contact request red --reason 'about the new kernel'"))
    .action(async (agent, options) => {
      const { reason, ttl: ttlMs } = options;
      const idempotencyKey = cli.key(options);
      const context = cli.context(options);
      const { api } = await context.agent();
      const asked = await api(
        "POST /v1/projects/:project/agents/:name/contacts",
        { params: { project: context.project, name: agent }, body: given({ reason, ttlMs }) },
        { idempotencyKey },
      );
      await cli.out.show(asked, contactView(asked));
    });

  change(contacts, "approve <peer>", "Let an agent write to yours")
    .option("--ttl <duration>", "how long the approval stands (default: for ever)", duration)
    .action(async (peer, { ttl: ttlMs, ...options }) => {
      await answer(cli, { peer, body: { accept: true, ...given({ ttlMs }) }, options });
    });

  change(contacts, "deny <peer>", "Do not let an agent write to yours").action(
    async (peer, options) => {
      await answer(cli, { peer, body: { accept: false }, options });
    },
  );
};

const ANSWER = "POST /v1/projects/:project/agents/:name/contacts/:peer";

interface ContactAnswer {
  readonly peer: string;
  readonly body: Request<typeof ANSWER>["body"];
  readonly options: CommonOptions & { readonly key?: string | undefined };
}

async function answer(cli: Cli, { peer, body, options }: ContactAnswer): Promise<void> {
  const idempotencyKey = cli.key(options);
  const context = cli.context(options);
  const { name } = await context.agent();
  // A token that acts as an agent may not decide for it: its user does.
  const api = await context.owner();
  const params = { project: context.project, name, peer };
  const answered = await api(ANSWER, { params, body }, { idempotencyKey });
  await cli.out.show(answered, contactView(answered));
}
