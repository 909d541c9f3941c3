import { integerOption, TendonError } from '../core/index.ts';
import {
  checkCapacity,
  checkIdentity,
  checkInitialPosition,
  checkPositions,
  checkRingOptions,
  type RingFormatOptions,
  type RingOptions,
  writeIdentity,
} from './control-block.ts';
import {
  FORM_MPSC,
  HEAD_WORD,
  MPSC_DATA_OFFSET,
  MPSC_SLOTS,
  maxRecordBytesOf,
  SLOT_GENERATION,
  SLOT_INTENT_BYTES,
  SLOT_OWNER,
  slotWord,
  TAIL_WORD,
} from './layout.ts';
import { MpscConsumer } from './mpsc-consumer.ts';
import { MpscProducer } from './mpsc-producer.ts';
import type { RingWaiter } from './waiter.ts';

export interface MpscProducerOptions {
  /** Who writes, in the caller's numbering (a pid, a thread's number): an int32 other than 0. */
  readonly ownerId: number;
  /** Called when the consumer parked and a record was committed. */
  readonly waiter?: RingWaiter;
}

/**
 * A ring of records from up to 64 producers, on any threads or in any processes, to one consumer.
 *
 * The creator calls `format` before the memory is handed over, everybody else `attach`.
 * @see docs/reference/wire/ring.md
 */
export class MpscRing {
  readonly memory: ArrayBufferLike;
  readonly byteOffset: number;
  readonly capacityBytes: number;
  /** The largest body of one record: a quarter of the capacity, less the header. */
  readonly maxRecordBytes: number;

  private constructor(options: RingOptions, known: readonly string[]) {
    this.memory = options.memory;
    this.byteOffset = checkRingOptions(
      'MpscRing',
      options,
      MpscRing.bytesNeeded(options.capacityBytes),
      known,
    );
    this.capacityBytes = options.capacityBytes;
    this.maxRecordBytes = maxRecordBytesOf(options.capacityBytes);
  }

  /** Bytes of memory that a ring of this capacity takes, control block included; a multiple of 128. */
  static bytesNeeded(capacityBytes: number): number {
    return MPSC_DATA_OFFSET + checkCapacity(capacityBytes);
  }

  /** Writes an empty ring into memory that nobody else uses yet. @throws TendonError OPTION_INVALID */
  static format(options: RingFormatOptions): MpscRing {
    const ring = new MpscRing(options, ['initialPosition']);
    const initialPosition = checkInitialPosition(options.initialPosition ?? 0);
    new Uint8Array(ring.memory, ring.byteOffset, MpscRing.bytesNeeded(ring.capacityBytes)).fill(0);
    const words = ring.#controlWords();
    words[TAIL_WORD] = initialPosition;
    words[HEAD_WORD] = initialPosition;
    writeIdentity(words, FORM_MPSC, ring.capacityBytes);
    return ring;
  }

  /** Opens a ring that was formatted. @throws TendonError REGION_CORRUPT, VERSION_UNSUPPORTED, OPTION_INVALID */
  static attach(options: RingOptions): MpscRing {
    const ring = new MpscRing(options, []);
    checkIdentity(ring.#controlWords(), FORM_MPSC, ring.capacityBytes);
    return ring;
  }

  /**
   * Takes a producer slot. One producer object belongs to one thread; each thread takes its own.
   *
   * @throws TendonError RESOURCE_EXHAUSTED (retryable) when all 64 slots are taken; OPTION_INVALID
   */
  producer(options: MpscProducerOptions): MpscProducer {
    const ownerId = integerOption('ownerId', options.ownerId, -(2 ** 31), 2 ** 31 - 1);
    if (ownerId === 0) integerOption('ownerId', ownerId, 1, 2 ** 31 - 1);
    const words = this.#controlWords();
    for (let slot = 0; slot < MPSC_SLOTS; slot++) {
      const word = slotWord(slot);
      if (Atomics.compareExchange(words, word + SLOT_OWNER, 0, ownerId) !== 0) continue;
      // Records that a dead owner of this slot left behind carry another generation.
      const generation = (words[word + SLOT_GENERATION]! + 1) & 0xffff || 1;
      words[word + SLOT_INTENT_BYTES] = 0;
      Atomics.store(words, word + SLOT_GENERATION, generation);
      return new MpscProducer(this, Atomics.load(words, HEAD_WORD), slot, generation, options.waiter);
    }
    throw new TendonError('RESOURCE_EXHAUSTED', `all ${MPSC_SLOTS} producer slots of the ring are taken`, {
      resource: 'producer slots',
    });
  }

  /** The receiving side, of which there is one; `waiter` is called when producers parked and half the ring is free. */
  consumer(waiter?: RingWaiter): MpscConsumer {
    const { tail, head } = checkPositions(this.#controlWords(), this.capacityBytes);
    return new MpscConsumer(this, tail, head, waiter);
  }

  #controlWords(): Int32Array {
    return new Int32Array(this.memory, this.byteOffset, MPSC_DATA_OFFSET / 4);
  }
}
