import { readFileSync } from "node:fs";

/**
 * Milliseconds since the call for which the machine was really there: what a hypervisor gave to other guests meanwhile
 * (`steal` of proc_stat(5), Linux only) is left out. It can be most of a second, for minutes.
 */
export function machineTime(): () => number {
  const began = performance.now();
  const before = processorTime();
  return () => {
    const after = processorTime();
    const worked = after.worked - before.worked;
    const stolen = after.stolen - before.stolen;
    const share = stolen > 0 ? worked / (worked + stolen) : 1;
    return (performance.now() - began) * share;
  };
}

/** What all processors have done since they started, and what they were kept from doing, in the same unit. */
function processorTime(): { readonly worked: number; readonly stolen: number } {
  const line = readFileSync("/proc/stat", "utf8").split("\n")[0] ?? "";
  const [user, nice, system, , , irq, softirq, stolen] = line.trim().split(/\s+/).slice(1);
  const times = [user, nice, system, irq, softirq].map(Number);
  return { worked: times.reduce((sum, one) => sum + one, 0), stolen: Number(stolen) };
}
