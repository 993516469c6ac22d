// The limit for a durable send over HTTP: Fastify, the same body parsed by zod, and one group-committed insert of it.
// Runs on the compiled sources, as the server does that it is compared with. Prints its address; ends with its standard input.
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Fastify from "fastify";

/** @param {string} file */
const compiled = (file) => import(new URL(`../dist/${file}`, import.meta.url).href);
const { newId } = await compiled("contract/ids.js");
const { mailbox } = await compiled("contract/mailbox.js");
const { openSqlite } = await compiled("storage/sqlite.js");

const folder = await mkdtemp(join(tmpdir(), "gridpost-bare-"));
const db = openSqlite({ file: join(folder, "bare.db") });
await db.tx([], (query) => query("create table sent (id text primary key, body text not null)"));

const app = Fastify();
app.setValidatorCompiler(() => () => true);
app.post("/send", async (request, reply) => {
  const body = mailbox.send.body.parse(request.body);
  const id = newId();
  await db.tx([], (query) =>
    query("insert into sent (id, body) values ($1, $2)", [id, JSON.stringify(body)]),
  );
  void reply.header("content-type", "application/json; charset=utf-8");
  return reply.send(JSON.stringify({ id, folder }));
});
const url = await app.listen({ host: "127.0.0.1", port: 0 });
process.stdout.write(`${url} ${folder}\n`);
process.stdin.on("end", () => void app.close().then(() => process.exit(0)));
process.stdin.resume();
