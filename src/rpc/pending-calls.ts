/** Slots of a new table. */
const FIRST_SLOTS = 64;

/** A record that the table hands out; the user of the table gives it its own fields. */
export interface PendingRecord {
  /** i32, never 0 while the record is taken; 0 while it is free */
  callId: number;
}

/**
 * The calls that wait for an answer: records in a flat table, found by call id without hashing.
 *
 * Ids count up, and the low bits of an id are its slot; an id whose slot is taken by a slow call is skipped. So an id
 * comes again only after 2^32 calls, and an answer that comes late finds either nothing or a record with another id.
 * The table is at most half full and doubles until it holds `limit` calls; records are made once and used again.
 */
export class PendingCalls<Record extends PendingRecord> {
  readonly #limit: number;
  readonly #create: () => Record;
  #slots: (Record | undefined)[] = new Array<Record | undefined>(FIRST_SLOTS).fill(undefined);
  #mask = FIRST_SLOTS - 1;
  #lastId: number;
  #size = 0;

  /** @param firstId where counting starts, for tests of the wrap */
  constructor(limit: number, create: () => Record, firstId = 1) {
    this.#limit = limit;
    this.#create = create;
    this.#lastId = (firstId - 1) | 0;
  }

  get size(): number {
    return this.#size;
  }

  /** A record with a new id, or undefined when `limit` are taken. @hot */
  take(): Record | undefined {
    if (this.#size === this.#limit) return undefined;
    if (this.#size * 2 >= this.#slots.length) this.#grow();
    let id = this.#lastId;
    let slot: number;
    let record: Record | undefined;
    do {
      id = (id + 1) | 0;
      slot = id & this.#mask;
      record = this.#slots[slot];
    } while (id === 0 || (record !== undefined && record.callId !== 0));
    this.#lastId = id;
    if (record === undefined) {
      record = this.#create();
      this.#slots[slot] = record;
    }
    record.callId = id;
    this.#size++;
    return record;
  }

  /** The record that holds `callId` (i32); undefined when nobody waits for it any more. @hot */
  find(callId: number): Record | undefined {
    const record = this.#slots[callId & this.#mask];
    return record !== undefined && record.callId === callId && callId !== 0 ? record : undefined;
  }

  /** Gives a record back that `take` handed out. @hot */
  release(record: Record): void {
    if (record.callId === 0) return;
    record.callId = 0;
    this.#size--;
  }

  /** The records that are taken now, in no order, as a list of its own. */
  all(): Record[] {
    return this.#slots.filter((record) => record !== undefined && record.callId !== 0) as Record[]; // filtered
  }

  #grow(): void {
    const taken = this.all();
    const slots = new Array<Record | undefined>(this.#slots.length * 2).fill(undefined);
    const mask = slots.length - 1;
    // Ids that differ in the old mask's bits differ in the new one's: no two records meet.
    for (const record of taken) slots[record.callId & mask] = record;
    this.#slots = slots;
    this.#mask = mask;
  }
}
