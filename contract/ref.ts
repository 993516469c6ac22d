/** The full name of a branch or ref as people write it: `main` -> `refs/heads/main`. */
export const fullRef = (ref: string): string =>
  ref.startsWith("refs/") ? ref : `refs/heads/${ref}`;
