const MOST_MS = 60_000;
const PAUSE_MS = 50;

/** Polls until something is so, and answers it. What comes does so in moments; the limit is for what never does. */
export async function eventually<T>(look: () => Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + MOST_MS;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error("it never came to be");
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}
