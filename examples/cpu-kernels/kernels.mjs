#!/usr/bin/env node
// Three kernels that measure a CPU, in plain Node: `kernels.mjs --kernel dgemm|triad|sha256 --threads N [--out DIR]`.
// Each runs for about a second, checks its own result, writes results.json and ends with `performance: <value> <unit>`.
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

const MEASURE_NS = 1_000_000_000n;
const MAX_THREADS = 256;

/** The same pseudo-random numbers in [-1, 1) on every machine. */
function fill(array, seed) {
  let state = seed;
  for (let i = 0; i < array.length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    array[i] = state / 2 ** 31;
  }
}

const shared = (length) => new Float64Array(new SharedArrayBuffer(length * 8));

/** Rows or elements of thread `index`: contiguous, sizes differ by at most one. */
const share = (total, { index, threads }) => [
  Math.floor((total * index) / threads),
  Math.floor((total * (index + 1)) / threads),
];

const DGEMM_N = 512;
const DGEMM_BLOCK = 64;

/** c = a * b of 512 x 512 doubles, blocked over the inner dimensions; the threads split the rows of c. */
const dgemm = {
  unit: "GFLOP/s",
  scale: 1e9,
  prepare() {
    const [a, b, c] = [shared(DGEMM_N ** 2), shared(DGEMM_N ** 2), shared(DGEMM_N ** 2)];
    fill(a, 1);
    fill(b, 2);
    return { a, b, c };
  },
  pass({ a, b, c }, part) {
    const [from, to] = share(DGEMM_N, part);
    c.fill(0, from * DGEMM_N, to * DGEMM_N);
    for (let kk = 0; kk < DGEMM_N; kk += DGEMM_BLOCK) {
      for (let jj = 0; jj < DGEMM_N; jj += DGEMM_BLOCK) {
        for (let i = from; i < to; i++) multiplyBlock({ a, b, c }, { i, kk, jj });
      }
    }
    return 2 * (to - from) * DGEMM_N ** 2;
  },
  /** Freivalds' check: c * x must equal a * (b * x). */
  check({ a, b, c }) {
    const x = new Float64Array(DGEMM_N);
    fill(x, 3);
    const expected = timesVector(a, timesVector(b, x));
    const found = timesVector(c, x);
    return expected.every((value, i) => Math.abs(value - found[i]) < 1e-9 * DGEMM_N);
  },
};

/** Four values of k at once, so that each element of c is loaded and stored a quarter as often. */
function multiplyBlock({ a, b, c }, { i, kk, jj }) {
  const row = i * DGEMM_N;
  for (let k = kk; k < kk + DGEMM_BLOCK; k += 4) {
    const [a0, a1, a2, a3] = [a[row + k], a[row + k + 1], a[row + k + 2], a[row + k + 3]];
    const b0 = k * DGEMM_N;
    const [b1, b2, b3] = [b0 + DGEMM_N, b0 + 2 * DGEMM_N, b0 + 3 * DGEMM_N];
    for (let j = jj; j < jj + DGEMM_BLOCK; j++) {
      c[row + j] += a0 * b[b0 + j] + a1 * b[b1 + j] + a2 * b[b2 + j] + a3 * b[b3 + j];
    }
  }
}

function timesVector(matrix, vector) {
  return vector.map((_, i) => {
    const row = matrix.subarray(i * DGEMM_N, (i + 1) * DGEMM_N);
    return row.reduce((sum, value, j) => sum + value * vector[j], 0);
  });
}

const TRIAD_LENGTH = 1 << 24;
const TRIAD_FACTOR = 3;

/** a[i] = b[i] + 3 c[i] over three arrays of 128 MiB; bytes as STREAM counts them, two reads and a write. */
const triad = {
  unit: "GB/s",
  scale: 1e9,
  prepare() {
    const [a, b, c] = [shared(TRIAD_LENGTH), shared(TRIAD_LENGTH), shared(TRIAD_LENGTH)];
    fill(b, 1);
    fill(c, 2);
    return { a, b, c };
  },
  pass({ a, b, c }, part) {
    const [from, to] = share(TRIAD_LENGTH, part);
    for (let i = from; i < to; i++) a[i] = b[i] + TRIAD_FACTOR * c[i];
    return 24 * (to - from);
  },
  check: ({ a, b, c }) => a.every((value, i) => value === b[i] + TRIAD_FACTOR * c[i]),
};

const MILLION_A = Buffer.alloc(1_000_000, "a");
const DIGEST_OF_MILLION_A = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

/** SHA-256 of a million letters `a`, the long test vector of FIPS 180; every digest is compared. */
const sha256 = {
  unit: "MB/s",
  scale: 1e6,
  prepare: () => ({}),
  pass() {
    const digest = createHash("sha256").update(MILLION_A).digest("hex");
    if (digest !== DIGEST_OF_MILLION_A) throw new Error(`sha256: wrong digest ${digest}`);
    return MILLION_A.length;
  },
  check: () => true,
};

const KERNELS = { dgemm, triad, sha256 };

/** In a thread: one pass to warm up, then, when all threads are ready, passes until the time is over. */
function work({ kernel, memory, part, ready }) {
  const { pass } = KERNELS[kernel];
  pass(memory, part);
  if (Atomics.add(ready, 0, 1) + 1 === part.threads) Atomics.notify(ready, 0);
  for (let n = Atomics.load(ready, 0); n < part.threads; n = Atomics.load(ready, 0)) {
    Atomics.wait(ready, 0, n);
  }
  const start = process.hrtime.bigint();
  let amount = 0;
  let end = start;
  while (end - start < MEASURE_NS) {
    amount += pass(memory, part);
    end = process.hrtime.bigint();
  }
  return { start, end, amount };
}

const inThread = (data) =>
  new Promise((resolve, reject) => {
    new Worker(new URL(import.meta.url), { workerData: data })
      .once("message", resolve)
      .once("error", reject);
  });

/** Runs a kernel on `threads` threads: the work of all of them over the time from the first start to the last end. */
async function measure(name, threads) {
  const kernel = KERNELS[name];
  const memory = kernel.prepare();
  const ready = new Int32Array(new SharedArrayBuffer(4));
  const parts = Array.from({ length: threads }, (_, index) => ({ index, threads }));
  const results = await Promise.all(
    parts.map((part) => inThread({ kernel: name, memory, part, ready })),
  );
  if (!kernel.check(memory)) throw new Error(`${name}: the result is wrong`);
  const start = results.reduce(
    (least, one) => (one.start < least ? one.start : least),
    results[0].start,
  );
  const end = results.reduce((most, one) => (one.end > most ? one.end : most), results[0].end);
  const seconds = Number(end - start) / 1e9;
  const amount = results.reduce((sum, one) => sum + one.amount, 0);
  return { value: amount / seconds / kernel.scale, unit: kernel.unit, seconds };
}

function options() {
  const { values } = parseArgs({
    options: { kernel: { type: "string" }, threads: { type: "string" }, out: { type: "string" } },
  });
  const threads = Number(values.threads ?? "1");
  if (!Object.hasOwn(KERNELS, values.kernel ?? "")) {
    throw new Error(`--kernel must be one of ${Object.keys(KERNELS).join(", ")}`);
  }
  if (!Number.isInteger(threads) || threads < 1 || threads > MAX_THREADS) {
    throw new Error(`--threads must be a whole number from 1 to ${MAX_THREADS}`);
  }
  return { kernel: values.kernel, threads, out: values.out };
}

async function main() {
  const { kernel, threads, out } = options();
  console.log(`${kernel} on ${threads} thread${threads === 1 ? "" : "s"}, Node ${process.version}`);
  const { value, unit, seconds } = await measure(kernel, threads);
  if (out) {
    const rows = [
      { metric: "performance", value, unit },
      { metric: "elapsed", value: seconds, unit: "s" },
    ];
    mkdirSync(out, { recursive: true });
    writeFileSync(join(out, "results.json"), `${JSON.stringify(rows)}\n`);
  }
  console.log(`performance: ${value.toFixed(4)} ${unit}`);
}

if (isMainThread) {
  try {
    await main();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
} else {
  parentPort.postMessage(work(workerData));
}
