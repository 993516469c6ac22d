/** How names are compared: without regard to case. */
export const fold = (name: string): string => name.toLowerCase();
