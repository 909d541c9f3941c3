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
import { FORM_SPSC, HEAD_WORD, maxRecordBytesOf, SPSC_DATA_OFFSET, TAIL_WORD } from './layout.ts';
import { SpscConsumer } from './spsc-consumer.ts';
import { SpscProducer } from './spsc-producer.ts';
import type { RingWaiter } from './waiter.ts';

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

  private constructor(options: RingOptions, known: readonly string[]) {
    this.memory = options.memory;
    this.byteOffset = checkRingOptions(
      'SpscRing',
      options,
      SpscRing.bytesNeeded(options.capacityBytes),
      known,
    );
    this.capacityBytes = options.capacityBytes;
    this.maxRecordBytes = maxRecordBytesOf(options.capacityBytes);
  }

  /** Bytes of memory that a ring of this capacity takes, control block included; a multiple of 128. */
  static bytesNeeded(capacityBytes: number): number {
    return SPSC_DATA_OFFSET + checkCapacity(capacityBytes);
  }

  /**
   * Writes an empty ring into memory that nobody else uses yet.
   *
   * @throws TendonError OPTION_INVALID when the ring does not fit the memory
   */
  static format(options: RingFormatOptions): SpscRing {
    const ring = new SpscRing(options, ['initialPosition']);
    const initialPosition = checkInitialPosition(options.initialPosition ?? 0);
    const words = ring.#controlWords();
    words.fill(0);
    words[TAIL_WORD] = initialPosition;
    words[HEAD_WORD] = initialPosition;
    writeIdentity(words, FORM_SPSC, ring.capacityBytes);
    return ring;
  }

  /**
   * Opens a ring that the other side has formatted. `capacityBytes` is what was agreed on; the ring must agree.
   *
   * @throws TendonError REGION_CORRUPT, VERSION_UNSUPPORTED, OPTION_INVALID when the ring does not fit the memory
   */
  static attach(options: RingOptions): SpscRing {
    const ring = new SpscRing(options, []);
    const words = ring.#controlWords();
    checkIdentity(words, FORM_SPSC, ring.capacityBytes);
    checkPositions(words, ring.capacityBytes);
    return ring;
  }

  /** The sending side; `waiter` is called when the consumer parked and something was published. */
  producer(waiter?: RingWaiter): SpscProducer {
    const { tail, head } = checkPositions(this.#controlWords(), this.capacityBytes);
    return new SpscProducer(this, tail, head, waiter);
  }

  /** The receiving side; `waiter` is called when the producer parked and has the room it waited for. */
  consumer(waiter?: RingWaiter): SpscConsumer {
    const { tail, head } = checkPositions(this.#controlWords(), this.capacityBytes);
    return new SpscConsumer(this, tail, head, waiter);
  }

  #controlWords(): Int32Array {
    return new Int32Array(this.memory, this.byteOffset, SPSC_DATA_OFFSET / 4);
  }
}
