/** What stands in place of a redacted subject and body. */
export const TOMBSTONE = "[redacted]";
