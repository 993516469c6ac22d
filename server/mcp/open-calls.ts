import { CancelledNotificationSchema, isJSONRPCRequest } from "@modelcontextprotocol/sdk/types.js";

/** The calls that are being answered, each of which its client can call off by a message of its own. */
export interface OpenCalls {
  /** Takes note of a call, or calls off the one that the message names. @returns what forgets the call */
  note(session: string, message: unknown, call: AbortController): () => void;
}

export function openCalls(): OpenCalls {
  const open = new Map<string, AbortController>();
  const nameOf = (session: string, id: string | number): string => JSON.stringify([session, id]);
  return {
    note: (session, message, call) => {
      const cancelled = CancelledNotificationSchema.safeParse(message).data?.params.requestId;
      if (cancelled !== undefined) open.get(nameOf(session, cancelled))?.abort();
      if (!isJSONRPCRequest(message)) return () => undefined;
      const name = nameOf(session, message.id);
      open.set(name, call);
      return () => {
        // Another call may have come under the same name.
        if (open.get(name) === call) open.delete(name);
      };
    },
  };
}
