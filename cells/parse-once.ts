const MAX_TEXTS = 4_000;
const parsed = new Map<string, unknown>();

/**
 * `JSON.parse` for texts that are read over and over and seldom change: demands, inventories. The value is
 * shared, so nobody may change it.
 */
export function parseOnce<T>(text: string): T {
  let value = parsed.get(text);
  if (value === undefined) {
    if (parsed.size >= MAX_TEXTS) parsed.clear();
    value = JSON.parse(text) as unknown;
    parsed.set(text, value);
  }
  return value as T;
}
