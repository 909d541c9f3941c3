import { integerOption, powerOfTwoOption, refuseUnknownOptions, TendonError } from '../core/index.ts';
import { corrupt } from './failures.ts';
import {
  CAPACITY_MAX,
  CAPACITY_MIN,
  CAPACITY_WORD,
  FORM_SPSC,
  FORM_WORD,
  HEAD_WORD,
  MAGIC,
  MAGIC_WORD,
  maxRecordBytesOf,
  RING_ALIGNMENT,
  SPSC_DATA_OFFSET,
  TAIL_WORD,
  VERSION,
  VERSION_WORD,
} from './layout.ts';
import { SpscConsumer } from './spsc-consumer.ts';
import { SpscProducer } from './spsc-producer.ts';
import type { RingWaiter } from './waiter.ts';

export interface SpscRingOptions {
  /** The memory that both sides see: mapped, shared between threads, or (for a test) neither. */
  readonly memory: ArrayBufferLike;
  /** Where the ring begins in `memory`: a multiple of 64. Default 0. */
  readonly byteOffset?: number;
  /** Bytes of the data part: a power of two from 4 KiB to 1 GiB. */
  readonly capacityBytes: number;
}

export interface SpscFormatOptions extends SpscRingOptions {
  /** Both positions start here: any multiple of 8 that an int32 holds. For tests of the wrap. Default 0. */
  readonly initialPosition?: number;
}

const KNOWN_OPTIONS = ['memory', 'byteOffset', 'capacityBytes', 'initialPosition'] as const;

/**
 * A ring of records from one producer to one consumer, on two threads or in two processes, over any memory.
 *
 * The creator calls `format` before the memory is handed over, the peer calls `attach`; then one side takes
 * `producer()` and the other `consumer()`. A ring has exactly one of each: a second one corrupts it.
 * @see docs/reference/wire/ring.md
 */
export class SpscRing {
  readonly memory: ArrayBufferLike;
  readonly byteOffset: number;
  readonly capacityBytes: number;
  /** The largest body of one record: a quarter of the capacity, less the header. */
  readonly maxRecordBytes: number;

  private constructor(memory: ArrayBufferLike, byteOffset: number, capacityBytes: number) {
    this.memory = memory;
    this.byteOffset = byteOffset;
    this.capacityBytes = capacityBytes;
    this.maxRecordBytes = maxRecordBytesOf(capacityBytes);
  }

  /** Bytes of memory that a ring of this capacity takes, control block included; a multiple of 128. */
  static bytesNeeded(capacityBytes: number): number {
    return SPSC_DATA_OFFSET + powerOfTwoOption('capacityBytes', capacityBytes, CAPACITY_MIN, CAPACITY_MAX);
  }

  /**
   * Writes an empty ring into memory that nobody else uses yet.
   *
   * @throws TendonError OPTION_INVALID when the ring does not fit the memory
   */
  static format(options: SpscFormatOptions): SpscRing {
    const ring = SpscRing.#checked(options);
    const initialPosition = integerOption(
      'initialPosition',
      options.initialPosition ?? 0,
      -(2 ** 31),
      2 ** 31 - 1,
    );
    if ((initialPosition & 7) !== 0) {
      throw new TendonError(
        'OPTION_INVALID',
        `initialPosition must be a multiple of 8, got ${initialPosition}`,
        {
          option: 'initialPosition',
          value: initialPosition,
        },
      );
    }
    const words = new Int32Array(ring.memory, ring.byteOffset, SPSC_DATA_OFFSET / 4);
    words.fill(0);
    words[VERSION_WORD] = VERSION;
    words[FORM_WORD] = FORM_SPSC;
    words[CAPACITY_WORD] = ring.capacityBytes;
    words[TAIL_WORD] = initialPosition;
    words[HEAD_WORD] = initialPosition;
    Atomics.store(words, MAGIC_WORD, MAGIC); // SYNC(ring.magic) release: a ring with its magic is whole
    return ring;
  }

  /**
   * Opens a ring that the other side has formatted. `capacityBytes` is what was agreed on; the ring must agree.
   *
   * @throws TendonError REGION_CORRUPT, VERSION_UNSUPPORTED, OPTION_INVALID when the ring does not fit the memory
   */
  static attach(options: SpscRingOptions): SpscRing {
    const ring = SpscRing.#checked(options);
    const words = new Int32Array(ring.memory, ring.byteOffset, SPSC_DATA_OFFSET / 4);
    const magic = Atomics.load(words, MAGIC_WORD); // SYNC(ring.magic) acquire
    if (magic !== MAGIC) corrupt('ring magic', magic);
    const version = words[VERSION_WORD]!;
    if (version !== VERSION) {
      throw new TendonError(
        'VERSION_UNSUPPORTED',
        `the ring has version ${version}, this side knows ${VERSION}`,
        {
          theirs: version,
          ours: VERSION,
        },
      );
    }
    const form = words[FORM_WORD]!;
    if (form !== FORM_SPSC) corrupt('ring form', form);
    const capacityBytes = words[CAPACITY_WORD]!;
    if (capacityBytes !== ring.capacityBytes) corrupt('ring capacity', capacityBytes);
    checkedPositions(words, ring.capacityBytes);
    return ring;
  }

  /** The sending side; `waiter` is called when the consumer parked and something was published. */
  producer(waiter?: RingWaiter): SpscProducer {
    const { tail, head } = checkedPositions(this.#controlWords(), this.capacityBytes);
    return new SpscProducer(this, tail, head, waiter);
  }

  /** The receiving side; `waiter` is called when the producer parked and has the room it waited for. */
  consumer(waiter?: RingWaiter): SpscConsumer {
    const { tail, head } = checkedPositions(this.#controlWords(), this.capacityBytes);
    return new SpscConsumer(this, tail, head, waiter);
  }

  #controlWords(): Int32Array {
    return new Int32Array(this.memory, this.byteOffset, SPSC_DATA_OFFSET / 4);
  }

  static #checked(options: SpscFormatOptions): SpscRing {
    refuseUnknownOptions('SpscRing', options, KNOWN_OPTIONS);
    const needed = SpscRing.bytesNeeded(options.capacityBytes);
    const byteOffset = options.byteOffset ?? 0;
    integerOption('byteOffset', byteOffset, 0, Math.max(0, options.memory.byteLength - needed));
    if (byteOffset % RING_ALIGNMENT !== 0) {
      throw new TendonError(
        'OPTION_INVALID',
        `byteOffset must be a multiple of ${RING_ALIGNMENT}, got ${byteOffset}`,
        { option: 'byteOffset', value: byteOffset },
      );
    }
    if (options.memory.byteLength < needed) {
      throw new TendonError(
        'OPTION_INVALID',
        `memory must have at least ${needed} bytes for a ring of ${options.capacityBytes}, got ${options.memory.byteLength}`,
        { option: 'memory', value: options.memory.byteLength },
      );
    }
    return new SpscRing(options.memory, byteOffset, options.capacityBytes);
  }
}

/** Both positions, bounded: what a side starts from. */
function checkedPositions(words: Int32Array, capacityBytes: number): { tail: number; head: number } {
  // Head first: one of the two is the caller's own and rests, the other only moves away from it or towards it.
  const head = Atomics.load(words, HEAD_WORD); // SYNC(ring.head) acquire
  const tail = Atomics.load(words, TAIL_WORD); // SYNC(ring.tail) acquire
  if ((tail & 7) !== 0) corrupt('ring tail', tail);
  if ((head & 7) !== 0) corrupt('ring head', head);
  const used = (tail - head) | 0;
  if (used < 0 || used > capacityBytes) corrupt('ring used bytes', used);
  return { tail, head };
}
