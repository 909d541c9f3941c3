import { type Brand, integerOption, refuseUnknownOptions, TendonError } from '../core/index.ts';
import {
  CELL_BYTES,
  CELL_OWNER,
  cellsOffset,
  HEADER_BYTES,
  HEADER_CAPACITY,
  HEADER_MAGIC,
  HEADER_VERSION,
  HEADER_WRITERS,
  KIND_SHARED,
  KIND_SINGLE,
  LABEL_LIMIT_BYTES,
  MAGIC,
  MAX_COUNTERS,
  MAX_WRITERS,
  RECORD_BYTES,
  RECORD_GENERATION,
  RECORD_KIND,
  RECORD_LABEL_BYTES,
  RECORD_LABEL_OFFSET_BYTES,
  RECORD_OWNER,
  RECORD_STATE,
  RECORD_TYPE,
  recordsOffset,
  STATE_LIVE,
  STATE_VACANT,
  tableBytes,
  VERSION,
} from './counter-layout.ts';
import { CACHE_LINE_BYTES, checkWords } from './layout.ts';
import { OwnerCells, type OwnerIdentity, type OwnerLiveness } from './owner.ts';
import { Words64 } from './word64.ts';

/** Which record of the table; a freed one's is given out again. */
export type CounterId = Brand<number, 'CounterId'>;

export interface CounterTableOptions {
  /** counters at one time, 1 to 65536 */
  readonly capacity: number;
  /** threads that may add to one shared counter at one time, 1 to 64; default 4 */
  readonly writers?: number;
}
export const COUNTER_TABLE_DEFAULTS = { writers: 4 } as const;

export interface CounterOptions {
  /** a number of the caller's, 32 bits, signed; for readers to tell kinds of counters apart. Default 0 */
  readonly typeId?: number;
  /** at most 160 bytes of UTF-8 */
  readonly label: string;
  /** several threads or processes may `join` it; default: only the allocator adds to it */
  readonly shared?: boolean;
}

export interface CounterReading {
  readonly id: CounterId;
  readonly typeId: number;
  readonly label: string;
  readonly shared: boolean;
  /** the sum of what all writers counted; exact below 2^53 */
  readonly value: number;
  /** who allocated it */
  readonly owner: OwnerIdentity;
}

/**
 * Named 64-bit counters in any memory: written by threads and processes without a lock, read by any that has the
 * memory. The layout is drawn in counter-layout.ts. One object a thread.
 */
export class CounterTable {
  readonly capacity: number;
  readonly writers: number;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #values: Words64;
  readonly #owners: OwnerCells;
  readonly #cellOwners: OwnerCells;

  private constructor(
    words: Int32Array,
    index: number,
    capacity: number,
    writers: number,
    live: OwnerLiveness,
  ) {
    const byteOffset = words.byteOffset + index * 4;
    const cells = cellsOffset(capacity);
    this.capacity = capacity;
    this.writers = writers;
    this.#words = words.subarray(index, index + tableBytes(capacity, writers) / 4);
    this.#bytes = new Uint8Array(words.buffer, byteOffset, cells);
    this.#values = new Words64(words.buffer, byteOffset + cells, (capacity * writers * CELL_BYTES) / 8);
    const first = (recordsOffset() >> 2) + RECORD_OWNER;
    this.#owners = new OwnerCells(this.#words, first, capacity, live, RECORD_BYTES / 4);
    const cellOwners = (cells >> 2) + CELL_OWNER;
    this.#cellOwners = new OwnerCells(this.#words, cellOwners, capacity * writers, live, CELL_BYTES / 4);
  }

  static wordsNeeded(options: CounterTableOptions): number {
    const { capacity, writers } = resolve(options);
    return tableBytes(capacity, writers) / 4;
  }

  /** Lays out an empty table in zeroed memory. @throws TendonError OPTION_INVALID */
  static create(
    words: Int32Array,
    index: number,
    options: CounterTableOptions,
    liveness: OwnerLiveness,
  ): CounterTable {
    const { capacity, writers } = resolve(options);
    checkWords('CounterTable', words, index, tableBytes(capacity, writers) / 4, CACHE_LINE_BYTES);
    words[index + HEADER_VERSION] = VERSION;
    words[index + HEADER_CAPACITY] = capacity;
    words[index + HEADER_WRITERS] = writers;
    const table = new CounterTable(words, index, capacity, writers, liveness);
    Atomics.store(words, index + HEADER_MAGIC, MAGIC); // SYNC(counters.magic) release
    return table;
  }

  /**
   * Looks at a table that another made. Nothing in memory is believed before it is bounded.
   *
   * @throws TendonError REGION_CORRUPT, VERSION_UNSUPPORTED
   */
  static attach(words: Int32Array, index: number, liveness: OwnerLiveness): CounterTable {
    checkWords('CounterTable', words, index, HEADER_BYTES / 4, CACHE_LINE_BYTES);
    const magic = Atomics.load(words, index + HEADER_MAGIC); // SYNC(counters.magic) acquire
    if (magic !== MAGIC) throw corrupt('magic of the counter table', magic);
    const version = words[index + HEADER_VERSION]!;
    if (version !== VERSION) {
      const message = `the counter table has version ${version}, this is ${VERSION}`;
      throw new TendonError('VERSION_UNSUPPORTED', message, { theirs: version, ours: VERSION });
    }
    const capacity = words[index + HEADER_CAPACITY]!;
    if (capacity < 1 || capacity > MAX_COUNTERS) throw corrupt('capacity of the counter table', capacity);
    const writers = words[index + HEADER_WRITERS]!;
    if (writers < 1 || writers > MAX_WRITERS) throw corrupt('writers of the counter table', writers);
    if (tableBytes(capacity, writers) / 4 > words.length - index) {
      throw corrupt('capacity of the counter table, which ends behind its memory', capacity);
    }
    return new CounterTable(words, index, capacity, writers, liveness);
  }

  /** A new counter at 0, and the right to add to it. @throws TendonError RESOURCE_EXHAUSTED when the table is full */
  allocate(options: CounterOptions): Counter {
    refuseUnknownOptions('a counter', options, ['typeId', 'label', 'shared']);
    const typeId = integerOption('typeId', options.typeId ?? 0, -(2 ** 31), 2 ** 31 - 1);
    const label = Buffer.from(options.label);
    if (label.length > LABEL_LIMIT_BYTES) {
      throw new TendonError(
        'OPTION_INVALID',
        `label must have at most ${LABEL_LIMIT_BYTES} bytes, got ${label.length}`,
        { option: 'label', value: options.label },
      );
    }
    const id = this.#claimRecord();
    const at = recordWord(id);
    for (let cell = id * this.writers; cell < (id + 1) * this.writers; cell++) {
      this.#values.store((cell * CELL_BYTES) / 8, 0);
    }
    this.#words[at + RECORD_KIND] = options.shared === true ? KIND_SHARED : KIND_SINGLE;
    this.#words[at + RECORD_TYPE] = typeId;
    this.#words[at + RECORD_LABEL_BYTES] = label.length;
    this.#bytes.set(label, at * 4 + RECORD_LABEL_OFFSET_BYTES);
    Atomics.add(this.#words, at + RECORD_GENERATION, 1);
    Atomics.store(this.#words, at + RECORD_STATE, STATE_LIVE); // SYNC(counters.record) release
    return this.#claimCell(id, id * this.writers, () => this.#free(id));
  }

  /**
   * The right to add to a shared counter that exists. The place of a dead writer is taken over with what it counted.
   *
   * @throws TendonError STATE_INVALID: no such counter, or not shared; RESOURCE_EXHAUSTED: all places are taken
   */
  join(id: CounterId): Counter {
    integerOption('id', id, 0, this.capacity - 1);
    const at = recordWord(id);
    const generation = Atomics.load(this.#words, at + RECORD_GENERATION);
    const live = Atomics.load(this.#words, at + RECORD_STATE) === STATE_LIVE; // SYNC(counters.record) acquire
    if (!live || this.#words[at + RECORD_KIND] !== KIND_SHARED) {
      throw new TendonError('STATE_INVALID', `counter ${id} is ${live ? 'not shared' : 'vacant'}`, {});
    }
    const counter = this.#claimCell(id, id * this.writers, () => {});
    // claimed first, looked second: `allocate` takes the record first and looks for claimed cells second
    if (
      Atomics.load(this.#words, at + RECORD_STATE) === STATE_LIVE &&
      Atomics.load(this.#words, at + RECORD_GENERATION) === generation
    ) {
      return counter;
    }
    counter.close();
    throw new TendonError('STATE_INVALID', `counter ${id} was freed just now`, {});
  }

  /** One counter, or undefined when it is vacant. @throws TendonError REGION_CORRUPT */
  read(id: CounterId): CounterReading | undefined {
    integerOption('id', id, 0, this.capacity - 1);
    const at = recordWord(id);
    for (let look = 0; look < 8; look++) {
      const generation = Atomics.load(this.#words, at + RECORD_GENERATION);
      const state = Atomics.load(this.#words, at + RECORD_STATE); // SYNC(counters.record) acquire
      if (state === STATE_VACANT) return undefined;
      const owner = this.#owners.holder(id);
      const reading = owner === undefined ? undefined : this.#reading(id, at, state, owner);
      if (Atomics.load(this.#words, at + RECORD_GENERATION) === generation) return reading;
    }
    return undefined; // given out and taken back all the time: it is nobody's for long
  }

  /** Every counter there is. @throws TendonError REGION_CORRUPT */
  list(): CounterReading[] {
    const readings: CounterReading[] = [];
    for (let id = 0; id < this.capacity; id++) {
      const reading = this.read(id as CounterId); // in range: made here
      if (reading !== undefined) readings.push(reading);
    }
    return readings;
  }

  /** The sum of all writers, without looking at the name. Makes no garbage on x86-64. */
  value(id: CounterId): number {
    let sum = 0;
    for (let cell = id * this.writers; cell < (id + 1) * this.writers; cell++) {
      sum += this.#values.load((cell * CELL_BYTES) / 8);
    }
    return sum;
  }

  /** Frees the counters whose allocator is dead and which no living thread adds to. Returns how many. */
  reclaim(): number {
    let freed = 0;
    for (let id = 0; id < this.capacity; id++) {
      if (this.#owners.isFree(id) || !this.#owners.isOrphaned(id)) continue;
      // inheriting first: only one of several that reclaim gets to free it
      if (this.#isJoined(id) || !this.#owners.inherit(id)) continue;
      this.#free(id as CounterId); // in range: made here
      freed++;
    }
    return freed;
  }

  #reading(id: CounterId, at: number, state: number, owner: OwnerIdentity): CounterReading {
    if (state !== STATE_LIVE) throw corrupt(`state of counter ${id}`, state);
    const kind = this.#words[at + RECORD_KIND]!;
    if (kind !== KIND_SINGLE && kind !== KIND_SHARED) throw corrupt(`kind of counter ${id}`, kind);
    const labelBytes = this.#words[at + RECORD_LABEL_BYTES]!;
    if (labelBytes < 0 || labelBytes > LABEL_LIMIT_BYTES) {
      throw corrupt(`label length of counter ${id}`, labelBytes);
    }
    const start = at * 4 + RECORD_LABEL_OFFSET_BYTES;
    return {
      id,
      typeId: this.#words[at + RECORD_TYPE]!,
      label: Buffer.from(this.#bytes.slice(start, start + labelBytes)).toString(),
      shared: kind === KIND_SHARED,
      value: this.value(id),
      owner,
    };
  }

  /** A record whose cells nobody has: one who joined the last counter of a record may outlive it. */
  #claimRecord(): CounterId {
    for (let id = 0; id < this.capacity; id++) {
      if (!this.#owners.isFree(id) || !this.#owners.claim(id)) continue;
      if (!this.#isJoined(id)) return id as CounterId; // the one place that makes them
      this.#owners.release(id);
    }
    throw new TendonError('RESOURCE_EXHAUSTED', `all ${this.capacity} counters are taken`, {
      resource: 'counters',
    });
  }

  /** Does a living thread add to it? Puts out the dead. */
  #isJoined(id: number): boolean {
    for (let cell = id * this.writers; cell < (id + 1) * this.writers; cell++) {
      if (!this.#cellOwners.isFree(cell) && !this.#cellOwners.evict(cell)) return true;
    }
    return false;
  }

  #claimCell(id: CounterId, first: number, onClose: () => void): Counter {
    for (let cell = first; cell < first + this.writers; cell++) {
      if (this.#cellOwners.isFree(cell) ? this.#cellOwners.claim(cell) : this.#cellOwners.inherit(cell)) {
        return new Counter(id, this.#values, (cell * CELL_BYTES) / 8, () => {
          this.#cellOwners.release(cell);
          onClose();
        });
      }
    }
    throw new TendonError('RESOURCE_EXHAUSTED', `counter ${id} has ${this.writers} writers already`, {
      resource: 'counter writers',
    });
  }

  #free(id: CounterId): void {
    const at = recordWord(id);
    Atomics.add(this.#words, at + RECORD_GENERATION, 1);
    Atomics.store(this.#words, at + RECORD_STATE, STATE_VACANT);
    this.#owners.release(id);
  }
}

/** The right to write one cell of a counter. It belongs to the thread that got it. */
export class Counter implements Disposable {
  readonly id: CounterId;
  readonly #values: Words64;
  readonly #index: number;
  readonly #onClose: () => void;
  /** in a typed array: a number field beyond 31 bits would be boxed anew by each store */
  readonly #counted = new Float64Array(1);
  #closed = false;

  /** @internal made by CounterTable */
  constructor(id: CounterId, values: Words64, index: number, onClose: () => void) {
    this.id = id;
    this.#values = values;
    this.#index = index;
    this.#onClose = onClose;
    this.#counted[0] = values.load(index);
  }

  /** @hot No lock, no garbage on x86-64. */
  increment(): void {
    this.set(this.#counted[0]! + 1);
  }

  /** @hot */
  add(delta: number): void {
    this.set(this.#counted[0]! + delta);
  }

  /** What this writer counted becomes `value`, a safe integer. @hot @throws TendonError STATE_INVALID when closed */
  set(value: number): void {
    if (this.#closed) throw new TendonError('STATE_INVALID', `counter ${this.id} is closed`, {});
    this.#counted[0] = value;
    this.#values.store(this.#index, value);
  }

  /** What this writer counted. */
  get counted(): number {
    return this.#counted[0]!;
  }

  /** The allocator's close frees the counter; that of one who joined leaves what it counted. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#onClose();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function resolve(options: CounterTableOptions): Required<CounterTableOptions> {
  refuseUnknownOptions('CounterTable', options, ['capacity', 'writers']);
  const writers = options.writers ?? COUNTER_TABLE_DEFAULTS.writers;
  return {
    capacity: integerOption('capacity', options.capacity, 1, MAX_COUNTERS),
    writers: integerOption('writers', writers, 1, MAX_WRITERS),
  };
}

function recordWord(id: number): number {
  return (recordsOffset() + id * RECORD_BYTES) / 4;
}

function corrupt(what: string, value: number): TendonError<'REGION_CORRUPT'> {
  return new TendonError('REGION_CORRUPT', `the ${what} cannot be ${value}`, { what, value });
}
