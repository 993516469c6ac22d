import { readdir } from "node:fs/promises";
import { extname } from "node:path";
import { arch, cpus, release, totalmem, type } from "node:os";
import type { Bench, Line } from "./bench.ts";

/** As this file, of the sources or compiled. */
const SUFFIX = `.bench${extname(import.meta.url)}`;

async function main(names: readonly string[]): Promise<number> {
  const files = await readdir(new URL(".", import.meta.url));
  const known = files
    .filter((file) => file.endsWith(SUFFIX))
    .map((file) => file.slice(0, -SUFFIX.length));
  const unknown = names.filter((name) => !known.includes(name));
  if (names.length === 0 || unknown.length > 0) {
    console.error(`usage: npm run bench -- NAME…    (${known.toSorted().join(", ")})`);
    return 2;
  }
  console.log(machine());
  let missed = 0;
  for (const name of names) missed += await runOne(name);
  return missed === 0 ? 0 : 1;
}

function machine(): string {
  const cpu = cpus();
  const memory = `${(totalmem() / 2 ** 30).toFixed(1)} GiB`;
  return `${cpu[0]?.model.trim() ?? "cpu"} x ${cpu.length}, ${memory}, ${type()} ${release()} ${arch()}, Node ${process.versions.node}`;
}

/** Prints the lines of one bench; returns how many floors were missed. */
async function runOne(name: string): Promise<number> {
  const { bench } = (await import(`./${name}${SUFFIX}`)) as { bench: Bench };
  console.log(`\n${name}: ${bench.method}`);
  let missed = 0;
  await bench.run((line) => {
    console.log(format(line));
    if (misses(line)) missed += 1;
  });
  return missed;
}

/** Also a value that could not be measured. */
const misses = ({ value, floor = -Infinity, ceiling = Infinity }: Line): boolean =>
  !(value >= floor && value <= ceiling);

function format(line: Line): string {
  const { what, value, unit, p50, p99, floor, ceiling } = line;
  const shown = value >= 100 ? Math.round(value).toLocaleString("en") : value.toPrecision(3);
  const times =
    p50 === undefined || p99 === undefined
      ? ""
      : `  p50 ${p50.toFixed(2)} ms  p99 ${p99.toFixed(2)} ms`;
  const bound =
    floor === undefined
      ? ceiling && `at most ${ceiling.toLocaleString("en")}`
      : `floor ${floor.toLocaleString("en")}`;
  const verdict = bound === undefined ? "" : `  ${bound}: ${misses(line) ? "MISSED" : "met"}`;
  return `  ${what.padEnd(52)} ${shown.padStart(9)} ${unit.padEnd(5)}${times}${verdict}`;
}

process.exitCode = await main(process.argv.slice(2));
