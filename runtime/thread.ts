import { Worker } from "node:worker_threads";

/**
 * Starts a module in a thread of its own.
 * @param module its URL with the ending `.ts`; of a compiled build that with `.js` is taken
 */
export function startThread(module: URL, workerData: unknown): Worker {
  if (!import.meta.url.endsWith(".ts"))
    return new Worker(new URL(module.href.replace(/\.ts$/, ".js")), { workerData });
  // From the sources: the loader that reads them does not follow into threads by itself.
  const load = `import("tsx/esm/api").then(({ register }) => { register(); return import(${JSON.stringify(module.href)}); });`;
  return new Worker(load, { eval: true, workerData });
}
