import { Readable } from "node:stream";
import type { Handlers } from "../contract/handlers.ts";
import { MAX_ATTACHMENT_BYTES } from "../contract/mail/text.ts";
import type { mailbox } from "../contract/mailbox.ts";
import type { Blobs } from "../storage/blobs.ts";
import type { EventLog } from "../storage/event-log.ts";
import { findFile, noFile } from "./attachable.ts";
import { mediaType, SNIFFED_BYTES } from "./media-type.ts";
import { uploadersOf } from "./sending.ts";
import { viewerOf } from "./visibility.ts";

const UPLOADED = "select 1 from p_uploads where project = $1 and sha256 = $2 and owner = $3";

type AttachmentHandlers = Pick<Handlers<typeof mailbox>, "putAttachment" | "attachment">;

/** The handlers of attached files. */
export function attachmentHandlers(log: EventLog, blobs: Blobs): AttachmentHandlers {
  return {
    putAttachment: async ({ params: { project }, principal, content }) => {
      const head: Uint8Array[] = [];
      const tapped = Readable.from(headOf(content, head), { objectMode: false });
      const { sha256, size } = await blobs.put(tapped, MAX_ATTACHMENT_BYTES);
      const file = { sha256, size, type: mediaType(Buffer.concat(head)) };
      const by = principal.id;
      await log.tx([`upload:${project}`], async (tx) => {
        if ((await tx.query(UPLOADED, [project, sha256, by])).length > 0) return;
        const body = { ...file, by };
        await tx.append({ type: "attachment.uploaded", project, actor: principal.actor, body });
      });
      return file;
    },
    attachment: async ({ params: { project, sha256 }, principal }) => {
      const { agents } = await viewerOf(log.query, principal, project);
      const reader = { project, agents, uploaders: uploadersOf(principal), sha256 };
      const file = await findFile(log.query, log.db.dialect, reader);
      if (file === undefined) throw noFile(sha256);
      const { size, type, name } = file;
      return { content: await blobs.get(sha256, size), size, type, name: name ?? sha256 };
    },
  };
}

/** Passes the chunks on and keeps the first bytes. */
async function* headOf(
  content: AsyncIterable<Uint8Array>,
  head: Uint8Array[],
): AsyncIterable<Uint8Array> {
  let kept = 0;
  for await (const chunk of content) {
    if (kept < SNIFFED_BYTES) head.push(chunk.subarray(0, SNIFFED_BYTES - kept));
    kept += chunk.length;
    yield chunk;
  }
}
