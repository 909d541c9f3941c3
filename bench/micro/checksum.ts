/**
 * Where a native CRC-32C overtakes the one in TypeScript: `node dist-test/bench/micro/checksum.js`.
 */
import { cpus } from 'node:os';
import { type Crc32, crc32, crc32c, loadFastCrc32c } from 'tendon/codec';

const ROUNDS = 9;
const BYTES_A_ROUND = 8 << 20;
const MOST_CALLS_A_ROUND = 100_000;

const native = await loadFastCrc32c({ nativeFromBytes: 0 });
const subjects: readonly (readonly [name: string, crc: Crc32])[] = [
  ['crc32c in TypeScript', crc32c],
  ['crc32c native', native],
  ['crc32 (zlib)', crc32],
];
console.log(`${cpus()[0]?.model}, Node ${process.version}; median ns a call of ${ROUNDS} interleaved rounds`);
console.log(['bytes', ...subjects.map(([name]) => name)].map((cell) => cell.padStart(22)).join(''));
let witness = 0;
for (const length of [16, 64, 128, 256, 384, 512, 768, 1024, 4096, 65_536]) {
  const bytes = Uint8Array.from({ length: length + 16 }, (_, index) => index * 31);
  const calls = Math.min(MOST_CALLS_A_ROUND, Math.ceil(BYTES_A_ROUND / length));
  const rounds: number[][] = subjects.map(() => []);
  for (let round = -1; round < ROUNDS; round++) {
    for (const [index, [, crc]] of subjects.entries()) {
      const start = performance.now();
      for (let call = 0; call < calls; call++) witness ^= crc(bytes, call & 15, length);
      if (round >= 0) rounds[index]!.push(((performance.now() - start) * 1e6) / calls);
    }
  }
  const medians = rounds.map((values) => values.sort((a, b) => a - b)[ROUNDS >> 1]!);
  console.log(
    [String(length), ...medians.map((ns) => ns.toFixed(0))].map((cell) => cell.padStart(22)).join(''),
  );
}
if (witness === -1) console.log('unlikely'); // the sums are used, so that none can be left out
