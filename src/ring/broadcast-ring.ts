import { integerOption, oneOfOption, refuseUnknownOptions, TendonError } from '../core/index.ts';
import { BroadcastReader } from './broadcast-reader.ts';
import { BroadcastWriter, type BroadcastWriterOptions } from './broadcast-writer.ts';
import {
  checkCapacity,
  checkIdentity,
  checkInitialPosition,
  checkPlace,
  checkRingOptions,
  type RingFormatOptions,
  type RingOptions,
  writeIdentity,
} from './control-block.ts';
import { corrupt } from './failures.ts';
import {
  BROADCAST_DATA_OFFSET,
  BROADCAST_HEADER_BYTES,
  BROADCAST_MASK,
  CURSOR_BYTES,
  CURSOR_MAGIC,
  FORM_BROADCAST,
  MAGIC_WORD,
  POLICY_DISCONNECT,
  POLICY_DROP,
  POLICY_WAIT,
  POLICY_WORD,
  RESERVED_WORD,
  SEGMENTS,
  SEGMENTS_WORD,
  TAIL_WORD,
  VERSION,
  VERSION_WORD,
} from './layout.ts';
import type { RingWaiter } from './waiter.ts';

/**
 * What happens to a reader that is a whole ring behind: the writer waits for it, it loses what it did not read in
 * time (and learns how much), or it is thrown out.
 */
export type BroadcastPolicy = 'wait' | 'drop' | 'disconnect';

const POLICIES = { wait: POLICY_WAIT, drop: POLICY_DROP, disconnect: POLICY_DISCONNECT } as const;

export interface BroadcastFormatOptions extends RingFormatOptions {
  readonly policy: BroadcastPolicy;
  /** Number of the first record, for tests: a safe integer. Default 0. */
  readonly initialSequence?: number;
}

export interface BroadcastReaderOptions {
  /** The cursor that the writer made with `addReader`: writable by this reader. */
  readonly memory: ArrayBufferLike;
  /** A multiple of 64. Default 0. */
  readonly byteOffset?: number;
  /** Called when the writer parked and this reader went on. */
  readonly waiter?: RingWaiter;
}

/**
 * A ring of records from one writer to any number of readers, each with a cursor in memory of its own.
 *
 * The writer formats the ring; readers attach, and may map it read-only. There is one writer object, and one reader
 * object for each cursor.
 * @see docs/reference/wire/ring.md
 */
export class BroadcastRing {
  /** Bytes of memory that one cursor takes. */
  static readonly cursorBytes: number = CURSOR_BYTES;
  readonly memory: ArrayBufferLike;
  readonly byteOffset: number;
  readonly capacityBytes: number;
  /** The largest body of one record: a quarter of the capacity, less the header. */
  readonly maxRecordBytes: number;
  readonly policy: BroadcastPolicy;
  readonly #initialSequence: number;

  private constructor(
    options: RingOptions,
    byteOffset: number,
    policy: BroadcastPolicy,
    initialSequence: number,
  ) {
    this.memory = options.memory;
    this.byteOffset = byteOffset;
    this.capacityBytes = options.capacityBytes;
    this.maxRecordBytes = options.capacityBytes / 4 - BROADCAST_HEADER_BYTES;
    this.policy = policy;
    this.#initialSequence = initialSequence;
  }

  /** Bytes of memory that a ring of this capacity takes, control block included; a multiple of 128. */
  static bytesNeeded(capacityBytes: number): number {
    return BROADCAST_DATA_OFFSET + checkCapacity(capacityBytes);
  }

  /** Writes an empty ring into memory that nobody else uses yet. @throws TendonError OPTION_INVALID */
  static format(options: BroadcastFormatOptions): BroadcastRing {
    const byteOffset = checkRingOptions(
      'BroadcastRing',
      options,
      BroadcastRing.bytesNeeded(options.capacityBytes),
      ['policy', 'initialPosition', 'initialSequence'],
    );
    const policy = oneOfOption('policy', options.policy, ['wait', 'drop', 'disconnect']);
    const initialPosition = checkInitialPosition(options.initialPosition ?? 0);
    if ((initialPosition & ~BROADCAST_MASK) !== 0) {
      throw new TendonError(
        'OPTION_INVALID',
        `initialPosition must be a multiple of 16, got ${initialPosition}`,
        {
          option: 'initialPosition',
          value: initialPosition,
        },
      );
    }
    const initialSequence = integerOption(
      'initialSequence',
      options.initialSequence ?? 0,
      0,
      Number.MAX_SAFE_INTEGER,
    );
    const ring = new BroadcastRing(options, byteOffset, policy, initialSequence);
    const words = new Int32Array(ring.memory, byteOffset, BROADCAST_DATA_OFFSET / 4);
    words.fill(0);
    words[POLICY_WORD] = POLICIES[policy];
    words[TAIL_WORD] = initialPosition;
    words[RESERVED_WORD] = initialPosition;
    words.fill(initialPosition, SEGMENTS_WORD, SEGMENTS_WORD + SEGMENTS);
    writeIdentity(words, FORM_BROADCAST, ring.capacityBytes);
    return ring;
  }

  /** Opens a ring to read from it. @throws TendonError REGION_CORRUPT, VERSION_UNSUPPORTED, OPTION_INVALID */
  static attach(options: RingOptions): BroadcastRing {
    const needed = BroadcastRing.bytesNeeded(options.capacityBytes);
    const byteOffset = checkRingOptions('BroadcastRing', options, needed, []);
    const words = new Int32Array(options.memory, byteOffset, BROADCAST_DATA_OFFSET / 4);
    checkIdentity(words, FORM_BROADCAST, options.capacityBytes);
    const code = words[POLICY_WORD]!;
    for (const policy of ['wait', 'drop', 'disconnect'] as const) {
      if (POLICIES[policy] === code) return new BroadcastRing(options, byteOffset, policy, 0);
    }
    return corrupt('ring policy', code);
  }

  /** The writing side, of which there is one: for the object that `format` returned. */
  writer(options: BroadcastWriterOptions = {}): BroadcastWriter {
    const words = new Int32Array(this.memory, this.byteOffset, BROADCAST_DATA_OFFSET / 4);
    const position = words[TAIL_WORD]!;
    return new BroadcastWriter(this, POLICIES[this.policy], position, this.#initialSequence, options);
  }

  /**
   * One reader, at the place where the writer's `addReader` put it.
   *
   * @throws TendonError REGION_CORRUPT when the memory holds no cursor; OPTION_INVALID, VERSION_UNSUPPORTED
   */
  reader(options: BroadcastReaderOptions): BroadcastReader {
    refuseUnknownOptions('BroadcastRing.reader', options, ['memory', 'byteOffset', 'waiter']);
    const byteOffset = checkPlace('cursor memory', options.memory, options.byteOffset ?? 0, CURSOR_BYTES);
    const cursor = new Int32Array(options.memory, byteOffset, CURSOR_BYTES / 4);
    const magic = Atomics.load(cursor, MAGIC_WORD); // SYNC(cursor.magic) acquire
    if (magic !== CURSOR_MAGIC) corrupt('cursor magic', magic);
    const version = cursor[VERSION_WORD]!;
    if (version !== VERSION) {
      throw new TendonError(
        'VERSION_UNSUPPORTED',
        `the cursor has version ${version}, this side knows ${VERSION}`,
        { theirs: version, ours: VERSION },
      );
    }
    return new BroadcastReader(this, POLICIES[this.policy], cursor, options.waiter);
  }
}
