import { duration, given, names, repeated } from "../arguments.ts";
import { readAttachments, upload } from "../attachments.ts";
import { change, type Define, examples } from "../command.ts";
import { importanceOption, sentView } from "../mail-view.ts";
import { payloadOf, withBody } from "../message-body.ts";

/** `gridpost send` */
export const defineSend: Define = (program, cli) => {
  change(program, "send <to...>", "Send a message to agents")
    .requiredOption("-s, --subject <text>", "at most 200 characters")
    .option("-b, --body <markdown>", "the message")
    .option("-f, --file <file>", "the message from a file; - is stdin")
    .option("--cc <agents>", "copies; several with commas", names)
    .option("--bcc <agents>", "copies that nobody else sees", names)
    .option("--thread <id>", "go on in this thread, or name a new one")
    .option("--open", "every reader of the project may see a new thread")
    .addOption(importanceOption())
    .option("--ack", "ask the recipients to acknowledge")
    .option("--ack-within <duration>", "how long they have for it, such as 2h", duration)
    .option("--expires <duration>", "after that it is in no inbox any more", duration)
    .option("--attach <file>", "attach a file; repeatable", repeated)
    .option(
      "--payload <file>",
      'a block for programs: JSON {"kind": WORD, "data": {…}}; - is stdin',
    )
    .addHelpText(
      "after",
      examples(
        'send blue -s "Matrix done" -b "All 12 cells passed."',
        "send blue red --cc ops -s Notes -f notes.md --thread nightly",
      ),
    )
    .action(async (to, options) => {
      const { subject, cc, bcc, thread, open, importance, ack: ackRequired } = options;
      const { ackWithin: ackWithinMs, expires: expiresAfterMs } = options;
      const idempotencyKey = cli.key(options);
      const context = cli.context(options);
      const { project } = context;
      const sent = await withBody(options, cli, async (body) => {
        const payload = await payloadOf(options.payload);
        const files = await readAttachments(options.attach);
        const { api } = await context.agent();
        const attachments = await upload(api, project, files);
        return api(
          "POST /v1/projects/:project/messages",
          {
            params: { project },
            body: {
              to: to.flatMap((some) => names(some)),
              subject,
              ...given({ body, cc, bcc, thread, open, importance, ackRequired }),
              ...given({ ackWithinMs, expiresAfterMs, attachments, payload }),
            },
          },
          { idempotencyKey },
        );
      });
      await cli.out.show(sent, sentView(sent));
    });
};

/** `gridpost reply` */
export const defineReply: Define = (program, cli) => {
  change(program, "reply <message>", "Reply to a message, in its thread")
    .option("-b, --body <markdown>", "the reply")
    .option("-f, --file <file>", "the reply from a file; - is stdin")
    .option("-s, --subject <text>", "another subject")
    .option("--all", "also to the other recipients")
    .option("--cc <agents>", "copies; several with commas", names)
    .addOption(importanceOption())
    .option("--ack", "ask the recipients to acknowledge")
    .option("--no-ack", "do not ask them, though the message did")
    .option("--attach <file>", "attach a file; repeatable", repeated)
    .option(
      "--payload <file>",
      'a block for programs: JSON {"kind": WORD, "data": {…}}; - is stdin',
    )
    .addHelpText("after", examples('reply 12 -b "On it."', "reply 12 --all -f answer.md"))
    .action(async (message, options) => {
      const { subject, all, cc, importance, ack: ackRequired } = options;
      const idempotencyKey = cli.key(options);
      const context = cli.context(options);
      const { project } = context;
      const sent = await withBody(options, cli, async (body = "") => {
        const payload = await payloadOf(options.payload);
        const files = await readAttachments(options.attach);
        const { api } = await context.agent();
        const attachments = await upload(api, project, files);
        return api(
          "POST /v1/projects/:project/messages/:message/reply",
          {
            params: { project, message },
            body: {
              body,
              ...given({ subject, all, cc, importance, ackRequired, attachments, payload }),
            },
          },
          { idempotencyKey },
        );
      });
      await cli.out.show(sent, sentView(sent));
    });
};
