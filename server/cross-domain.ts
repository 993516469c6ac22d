import { TOMBSTONE } from "../archive/redact.ts";
import { EPOCH_GAP } from "../contract/epoch.ts";
import type { EventBody } from "../contract/events/index.ts";
import type { Projection } from "../storage/log.ts";

const CONTINUE = [
  "update p_agents set next_seq = next_seq + $1",
  "update p_threads set last_n = last_n + $1",
  `insert into p_fences (project, fence) select name, $1 from p_projects where true
     on conflict (project) do update set fence = p_fences.fence + $1`,
];
/** What is made anew after a restore may have been lost by it: its counters begin in the new epoch too. */
const BEGIN_INBOX = `update p_agents set next_seq = 1 + $3 * (select count(*) from p_epochs)
  where project = $1 and folded = $2 and next_seq = 1`;
const BEGIN_FENCES = `insert into p_fences (project, fence) select $1, $2 * count(*) from p_epochs having count(*) > 0
  on conflict (project) do nothing`;
/** Every token of before is dead, also one that whoever has an old signing key makes; who joined stays so. */
const VOID_TOKENS = [
  "update p_principals set generation = generation + 1",
  "update p_join_tokens set revoked = 1",
  "update p_signing_keys set revoked = 1",
];
/** A thread and its members are listed with the subject of a message: that one goes too. */
const SUBJECT_OF = "(select subject from p_messages where id = $1)";
const IN_THREAD =
  "(select project from p_messages where id = $1) and thread = (select thread from p_messages where id = $1)";
const HIDE = [
  `update p_threads set subject = $2 where project = ${IN_THREAD} and subject = ${SUBJECT_OF}`,
  `update p_thread_members set subject = $2 where project = ${IN_THREAD} and subject = ${SUBJECT_OF}`,
  "update p_messages set subject = $2, body = $2, payload = null where id = $1",
];
/** Whoever uploaded a file could go on giving it out; other messages that carry it keep it. */
const HIDE_FILES = [
  `delete from p_uploads where (project, sha256) in (select project, sha256 from p_attachments where message = $1)`,
  "delete from p_attachments where message = $1",
];

/** Events of the archive that change tables of several domains at once; the tables are listed with their domains. */
export const crossDomainProjection: Projection = {
  name: "cross-domain",
  tables: [],
  apply: {
    "server.restored": async (query) => {
      for (const statement of CONTINUE) await query(statement, [EPOCH_GAP]);
      for (const statement of VOID_TOKENS) await query(statement);
    },
    "agent.registered": async (query, { project, body }) => {
      const { name } = body as EventBody<"agent.registered">;
      await query(BEGIN_INBOX, [project, name.toLowerCase(), EPOCH_GAP]);
    },
    "project.created": async (query, { body }) => {
      const { name } = body as EventBody<"project.created">;
      await query(BEGIN_FENCES, [name, EPOCH_GAP]);
    },
    "event.redacted": async (query, { body }) => {
      const { message } = body as EventBody<"event.redacted">;
      for (const statement of HIDE) await query(statement, [message, TOMBSTONE]);
      for (const statement of HIDE_FILES) await query(statement, [message]);
    },
  },
};
