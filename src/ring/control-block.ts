import { integerOption, powerOfTwoOption, refuseUnknownOptions, TendonError } from '../core/index.ts';
import { corrupt } from './failures.ts';
import {
  CAPACITY_MAX,
  CAPACITY_MIN,
  CAPACITY_WORD,
  FORM_WORD,
  HEAD_WORD,
  MAGIC,
  MAGIC_WORD,
  RING_ALIGNMENT,
  TAIL_WORD,
  VERSION,
  VERSION_WORD,
} from './layout.ts';

/** Where a ring lies. */
export interface RingOptions {
  /** The memory that all sides see: mapped, shared between threads, or (for a test) neither. */
  readonly memory: ArrayBufferLike;
  /** Where the ring begins in `memory`: a multiple of 64. Default 0. */
  readonly byteOffset?: number;
  /** Bytes of the data part: a power of two from 4 KiB to 1 GiB. */
  readonly capacityBytes: number;
}

export interface RingFormatOptions extends RingOptions {
  /** All positions start here: any multiple of 8 that an int32 holds. For tests of the wrap. Default 0. */
  readonly initialPosition?: number;
}

export function checkCapacity(capacityBytes: number): number {
  return powerOfTwoOption('capacityBytes', capacityBytes, CAPACITY_MIN, CAPACITY_MAX);
}

/** Checks that the ring fits its memory; returns its byte offset. */
export function checkRingOptions(
  owner: string,
  options: RingOptions,
  neededBytes: number,
  known: readonly string[],
): number {
  refuseUnknownOptions(owner, options, ['memory', 'byteOffset', 'capacityBytes', ...known]);
  return checkPlace('memory', options.memory, options.byteOffset ?? 0, neededBytes);
}

/** Checks that `neededBytes` from `byteOffset` lie within `memory`; returns the offset. */
export function checkPlace(
  option: string,
  memory: ArrayBufferLike,
  byteOffset: number,
  neededBytes: number,
): number {
  if (memory.byteLength < neededBytes) {
    throw new TendonError(
      'OPTION_INVALID',
      `${option} must have at least ${neededBytes} bytes, got ${memory.byteLength}`,
      { option, value: memory.byteLength },
    );
  }
  integerOption('byteOffset', byteOffset, 0, memory.byteLength - neededBytes);
  if (byteOffset % RING_ALIGNMENT !== 0) {
    throw new TendonError(
      'OPTION_INVALID',
      `byteOffset must be a multiple of ${RING_ALIGNMENT}, got ${byteOffset}`,
      { option: 'byteOffset', value: byteOffset },
    );
  }
  return byteOffset;
}

export function checkInitialPosition(position: number): number {
  integerOption('initialPosition', position, -(2 ** 31), 2 ** 31 - 1);
  if ((position & 7) !== 0) {
    throw new TendonError('OPTION_INVALID', `initialPosition must be a multiple of 8, got ${position}`, {
      option: 'initialPosition',
      value: position,
    });
  }
  return position;
}

/** Writes the words that all forms share, the magic last; `words` begin with the ring. */
export function writeIdentity(words: Int32Array, form: number, capacityBytes: number): void {
  words[VERSION_WORD] = VERSION;
  words[FORM_WORD] = form;
  words[CAPACITY_WORD] = capacityBytes;
  Atomics.store(words, MAGIC_WORD, MAGIC); // SYNC(ring.magic) release: a ring with its magic is whole
}

/** Checks what another process wrote there. @throws TendonError REGION_CORRUPT, VERSION_UNSUPPORTED */
export function checkIdentity(words: Int32Array, form: number, capacityBytes: number): void {
  const magic = Atomics.load(words, MAGIC_WORD); // SYNC(ring.magic) acquire
  if (magic !== MAGIC) corrupt('ring magic', magic);
  const version = words[VERSION_WORD]!;
  if (version !== VERSION) {
    throw new TendonError(
      'VERSION_UNSUPPORTED',
      `the ring has version ${version}, this side knows ${VERSION}`,
      { theirs: version, ours: VERSION },
    );
  }
  const theirForm = words[FORM_WORD]!;
  if (theirForm !== form) corrupt('ring form', theirForm);
  const theirCapacity = words[CAPACITY_WORD]!;
  if (theirCapacity !== capacityBytes) corrupt('ring capacity', theirCapacity);
}

/** Both positions, bounded: what a side starts from. */
export function checkPositions(words: Int32Array, capacityBytes: number): { tail: number; head: number } {
  // Head first: the tail only moves away from it, by no more than a reader of both can see.
  const head = Atomics.load(words, HEAD_WORD); // SYNC(ring.head) acquire
  const tail = Atomics.load(words, TAIL_WORD); // SYNC(ring.tail) acquire
  if ((tail & 7) !== 0) corrupt('ring tail', tail);
  if ((head & 7) !== 0) corrupt('ring head', head);
  const used = (tail - head) | 0;
  if (used < 0 || used > capacityBytes) corrupt('ring used bytes', used);
  return { tail, head };
}
