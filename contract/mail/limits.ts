/** The longest text of a message, in bytes of UTF-8. */
export const MAX_BODY_BYTES = 1_048_576;
