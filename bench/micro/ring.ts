/**
 * The bare SPSC ring between two threads: `node dist-test/bench/micro/ring.js [--json FILE] [--seconds S]`.
 *
 * The producer is a worker. With the addon each thread maps the same memfd, as two processes do; without it they share a
 * SharedArrayBuffer. Every byte of every message is written, and content varies. The receiver checks length, number and
 * the last word of each; rows marked "every byte" check all of it, which for large messages costs more than the ring.
 *
 * - `each`: a commit publishes each message; `corked`: one publishing store for each quarter of the ring or 64 messages.
 * - an eager receiver polls again at once and gets messages singly: each one moves three cache lines between the cores.
 *   A patient one looks away for about 2 us when it found fewer than 16.
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { parseArgs } from 'node:util';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { closeFd, createMemfd, Mapping, nativeStatus } from 'tendon/os';
import { CAPACITY_DEFAULT, SpscRing } from 'tendon/ring';

interface Job {
  readonly memory: SharedArrayBuffer | undefined;
  readonly fd: number;
  readonly bytes: number;
  readonly mode: 'claimed' | 'copied';
  readonly corked: boolean;
  readonly count: number;
}

const VARIANTS = 16;
/** Doubles whose eight bytes are all 1, all 2, ... all 16. */
function variantWords(): Float64Array {
  const words = new Float64Array(VARIANTS);
  const bytes = new Uint8Array(words.buffer);
  for (let i = 0; i < bytes.length; i++) bytes[i] = (i >> 3) + 1;
  return words;
}

function openMemory(job: { readonly memory: SharedArrayBuffer | undefined; readonly fd: number }) {
  const bytes = SpscRing.bytesNeeded(CAPACITY_DEFAULT);
  return job.memory ?? Mapping.map(job.fd, { bytes, writable: true, prefault: true }).buffer;
}

function produce(job: Job): void {
  const memory = openMemory(job);
  const producer = SpscRing.attach({ memory, capacityBytes: CAPACITY_DEFAULT }).producer();
  const { bytes: data } = producer;
  const words = new Float64Array(memory, data.byteOffset, CAPACITY_DEFAULT / 8);
  const variants = variantWords();
  const length = job.bytes;
  const last = length / 8 - 1;
  const sources = Array.from({ length: VARIANTS }, (_, i) => new Uint8Array(length).fill(i + 1));
  const sourceWords = sources.map((source) => new Float64Array(source.buffer));
  if (job.corked) producer.cork();
  let gathered = 0;
  for (let n = 0; n < job.count; ) {
    const variant = n & (VARIANTS - 1);
    if (job.mode === 'copied') {
      const source = sourceWords[variant]!;
      source[0] = n;
      source[last] = n;
      if (producer.offer(sources[variant]!) < 0) continue;
    } else {
      const at = producer.tryClaim(length);
      if (at < 0) continue;
      const word = at >> 3;
      words[word] = n;
      if (length <= 256) {
        const filler = variants[variant]!;
        for (let k = 1; k < last; k++) words[word + k] = filler;
      } else data.fill(variant + 1, at + 8, at + length - 8);
      words[word + last] = n;
      producer.commit();
    }
    n++;
    if (job.corked && ++gathered === 64) {
      producer.publish();
      gathered = 0;
    }
  }
  producer.uncork();
}

interface Row {
  readonly bytes: number;
  readonly mode: string;
  readonly publish: string;
  readonly receiver: string;
  readonly checked: string;
  readonly messages: number;
  readonly nsEach: number;
  readonly millionPerS: number;
  readonly gigabytesPerS: number;
}

async function measure(job: Omit<Job, 'memory' | 'fd'>, patient: boolean, everyByte: boolean): Promise<Row> {
  const needed = SpscRing.bytesNeeded(CAPACITY_DEFAULT);
  const mapped = nativeStatus().available;
  const fd = mapped ? createMemfd('tendon-bench-ring', needed) : -1;
  const shared = mapped ? undefined : new SharedArrayBuffer(needed);
  const memory = openMemory({ memory: shared, fd });
  const consumer = SpscRing.format({ memory, capacityBytes: CAPACITY_DEFAULT }).consumer();
  const words = new Float64Array(memory, consumer.bytes.byteOffset, CAPACITY_DEFAULT / 8);
  const variants = variantWords();
  const lastWord = job.bytes / 8 - 1;
  let next = 0;
  let wrong = 0;
  const handler = (_: Uint8Array, offset: number, length: number): void => {
    const word = offset >> 3;
    if (length !== job.bytes || words[word] !== next || words[word + lastWord] !== next) wrong++;
    if (everyByte) {
      const filler = variants[next & (VARIANTS - 1)]!;
      for (let k = 1; k < lastWord; k++) if (words[word + k] !== filler) wrong++;
    }
    next++;
  };
  const workerJob: Job = { ...job, memory: shared, fd };
  const worker = new Worker(new URL(import.meta.url), { workerData: workerJob });
  const ended = new Promise((resolve, reject) => {
    worker.once('exit', resolve);
    worker.once('error', reject);
  });
  let idle = 0;
  const receive = (until: number): void => {
    while (next < until) {
      if (consumer.poll(handler) < 16 && patient) for (let k = 0; k < 4000; k++) idle += k;
    }
  };
  const warmUp = Math.ceil(job.count / 5);
  receive(warmUp);
  const begun = next;
  const start = performance.now();
  receive(job.count);
  const ns = (performance.now() - start) * 1e6;
  await ended;
  if (fd >= 0) closeFd(fd);
  if (wrong > 0 || idle < 0) throw new Error(`${wrong} messages arrived damaged`);
  const messages = job.count - begun;
  return {
    bytes: job.bytes,
    mode: job.mode,
    publish: job.corked ? 'corked' : 'each',
    receiver: patient ? 'patient' : 'eager',
    checked: everyByte ? 'every byte' : 'ends',
    messages,
    nsEach: ns / messages,
    millionPerS: (messages / ns) * 1e3,
    gigabytesPerS: (messages * job.bytes) / ns,
  };
}

/** What a copy of as many bytes costs within one thread, over a megabyte of source and of target. */
function memcpyNs(bytes: number): number {
  const target = new Uint8Array(1 << 20);
  const source = new Uint8Array(bytes).fill(1);
  const calls = Math.ceil((1 << 28) / Math.max(bytes, 256));
  for (let i = 0; i < 1000; i++) target.set(source, (i * bytes) % (target.length - bytes + 1));
  const start = performance.now();
  for (let i = 0; i < calls; i++) target.set(source, (i * bytes) % (target.length - bytes + 1));
  return ((performance.now() - start) * 1e6) / calls;
}

function commit(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  } catch {
    return 'unknown';
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { json: { type: 'string' }, seconds: { type: 'string' } } });
  const seconds = Number(values.seconds ?? '1');
  const host = {
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    kernel: release(),
    node: process.version,
    flags: process.execArgv,
    commit: commit(),
    memory: nativeStatus().available ? 'memfd, mapped by each thread' : 'SharedArrayBuffer',
    ringBytes: CAPACITY_DEFAULT,
    warmUp: 'a fifth of the count',
  };
  console.log(JSON.stringify(host));
  const rows: Row[] = [];
  console.log('  bytes  mode     publish  receiver  checked          ns      M/s     GB/s   memcpy ns');
  for (const [bytes, perSecond] of [
    [64, 12e6],
    [1024, 3e6],
    [65_536, 1e5],
  ] as const) {
    const raw = memcpyNs(bytes);
    for (const mode of ['claimed', 'copied'] as const) {
      for (const [corked, patient, everyByte] of [
        [false, false, false],
        [false, true, false],
        [true, false, false],
        [true, true, false],
        [true, true, true],
      ] as const) {
        const row = await measure({ bytes, mode, corked, count: perSecond * seconds }, patient, everyByte);
        rows.push(row);
        const numbers = [row.nsEach, row.millionPerS, row.gigabytesPerS, raw].map((n) =>
          n.toFixed(n < 10 ? 2 : 1).padStart(9),
        );
        console.log(
          `${String(bytes).padStart(7)}  ${mode.padEnd(8)} ${row.publish.padEnd(8)} ${row.receiver.padEnd(9)} ${row.checked.padEnd(11)}${numbers.join('')}`,
        );
      }
    }
  }
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ host, rows }, null, 2)}\n`);
}

if (isMainThread) await main();
else produce(workerData as Job);
