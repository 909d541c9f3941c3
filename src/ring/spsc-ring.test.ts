import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { BACK_PRESSURED, CLOSED, TendonError } from '../core/index.ts';
import { HEAD_WORD, SPSC_DATA_WORD, TAIL_WORD } from './layout.ts';
import { EMPTY } from './spsc-consumer.ts';
import { SpscRing } from './spsc-ring.ts';

const KIB4 = 4096;

function open(options: { capacityBytes?: number; initialPosition?: number } = {}) {
  const capacityBytes = options.capacityBytes ?? KIB4;
  const memory = new ArrayBuffer(SpscRing.bytesNeeded(capacityBytes));
  const created = SpscRing.format({ memory, capacityBytes, initialPosition: options.initialPosition ?? 0 });
  const attached = SpscRing.attach({ memory, capacityBytes });
  const rung = { consumer: 0, producer: 0 };
  const producer = created.producer({ notify: () => void rung.consumer++ });
  const consumer = attached.consumer({ notify: () => void rung.producer++ });
  return { memory, producer, consumer, rung, words: new Int32Array(memory) };
}

const text = (value: string) => new TextEncoder().encode(value);
const bytesOf = (length: number, seed = 1) => Uint8Array.from({ length }, (_, i) => (i * 31 + seed) & 255);

interface Taken {
  readonly kind: number;
  readonly body: Uint8Array;
}
function take(consumer: ReturnType<typeof open>['consumer'], limit?: number): Taken[] {
  const taken: Taken[] = [];
  consumer.poll((bytes, offset, length, kind) => {
    taken.push({ kind, body: bytes.slice(offset, offset + length) });
  }, limit);
  return taken;
}

describe('SpscRing', () => {
  it('[shm-transport 7] hands over the same bytes, in order', () => {
    const { producer, consumer } = open();
    for (const message of ['one', 'two', 'three']) assert.ok(producer.offer(text(message)) >= 0);
    assert.deepEqual(
      take(consumer).map(({ body }) => new TextDecoder().decode(body)),
      ['one', 'two', 'three'],
    );
    assert.deepEqual(take(consumer), []);
  });

  it('carries every length up to the largest record, and the kind', () => {
    const { producer, consumer } = open({ capacityBytes: 8192 });
    for (let length = 0; length <= producer.maxRecordBytes; length++) {
      const body = bytesOf(length, length);
      assert.ok(producer.offer(body, 0, length, 1 + (length % 255)) >= 0);
      assert.deepEqual(take(consumer), [{ kind: 1 + (length % 255), body }]);
    }
  });

  it('copies a part of a larger source', () => {
    const { producer, consumer } = open();
    const source = bytesOf(900);
    for (const [offset, length] of [
      [3, 20],
      [5, 64],
      [7, 90],
      [11, 500],
    ] as const) {
      producer.offer(source, offset, length);
      assert.deepEqual(take(consumer)[0]!.body, source.slice(offset, offset + length));
    }
    assert.throws(() => producer.offer(source, 800, 101), { code: 'OPTION_INVALID' });
  });

  it('[RING-6] begins every body at a multiple of 8', () => {
    const { producer, consumer } = open();
    for (let length = 0; length < 40; length++) {
      const at = producer.tryClaim(length);
      assert.equal(at % 8, 0);
      producer.commit();
      consumer.poll((_, offset) => assert.equal(offset, at));
    }
  });

  it('[shm-transport 11] reclaims space as soon as it is read', () => {
    const { producer, consumer } = open({ capacityBytes: 16_384 });
    for (let i = 0; i < 3; i++) producer.offer(bytesOf(4000));
    take(consumer, 2);
    for (let i = 0; i < 2; i++) assert.ok(producer.offer(bytesOf(3000)) >= 0);
    assert.equal(take(consumer).length, 3);
  });

  it('[RING-8] [shm-transport 12] wraps around with data intact', () => {
    const { producer, consumer } = open();
    for (let round = 0; round < 50; round++) {
      const bodies = [bytesOf(1000, round), bytesOf(1016, round + 1), bytesOf(333, round + 2)];
      for (const body of bodies) assert.ok(producer.offer(body) >= 0);
      assert.deepEqual(
        take(consumer).map(({ body }) => body),
        bodies,
      );
    }
  });

  it('[RING-3] [shm-transport 13] goes on when the 32-bit positions wrap', () => {
    for (const initialPosition of [-64, 2 ** 31 - 64, -(2 ** 31), 2 ** 31 - 4096]) {
      const { producer, consumer } = open({ initialPosition });
      for (let i = 0; i < 100; i++) {
        assert.ok(producer.offer(bytesOf(200, i)) >= 0);
        assert.deepEqual(take(consumer)[0]!.body, bytesOf(200, i));
      }
      assert.equal(producer.usedBytes, 0);
    }
  });

  it('[shm-transport 13] carries more than 4 GiB', () => {
    const { producer, consumer } = open({ capacityBytes: 1 << 20 });
    const words = new Int32Array(producer.bytes.buffer, producer.bytes.byteOffset);
    let carried = 0;
    for (let i = 0; carried < 2 ** 32 + 2 ** 30; i++) {
      const length = producer.maxRecordBytes - (i % 5000);
      const at = producer.tryClaim(length);
      words[at >> 2] = i;
      producer.commit();
      consumer.poll((_, offset, received) => {
        assert.equal(received, length);
        assert.equal(words[offset >> 2], i);
        carried += received;
      });
    }
    assert.equal(producer.usedBytes, 0);
  });

  it('[shm-transport 24] claims, writes and reads in place', () => {
    const { producer, consumer, memory } = open();
    const at = producer.tryClaim(16, 7);
    assert.equal(producer.bytes.buffer, memory);
    new DataView(memory, producer.bytes.byteOffset + at).setFloat64(8, Math.PI, true);
    assert.equal(consumer.peek(), EMPTY);
    producer.commit();
    const peeked = consumer.peek();
    assert.equal(peeked, at);
    assert.equal(consumer.peek(), at);
    assert.equal(consumer.recordLength, 16);
    assert.equal(consumer.recordKind, 7);
    assert.equal(new DataView(memory, consumer.bytes.byteOffset + peeked).getFloat64(8, true), Math.PI);
    assert.throws(() => consumer.poll(() => {}), { code: 'STATE_INVALID' });
    consumer.release();
    assert.equal(consumer.peek(), EMPTY);
    assert.equal(producer.usedBytes, 0);
    assert.throws(() => consumer.release(), { code: 'STATE_INVALID' });
  });

  it('peeks past padding', () => {
    const { producer, consumer } = open();
    for (let i = 0; i < 200; i++) {
      producer.offer(bytesOf(i * 5, i));
      const at = consumer.peek();
      assert.deepEqual(consumer.bytes.slice(at, at + consumer.recordLength), bytesOf(i * 5, i));
      consumer.release();
    }
  });

  it('commits fewer bytes than were claimed, and gives an aborted claim back', () => {
    const { producer, consumer } = open();
    const first = producer.tryClaim(100);
    producer.bytes.set(text('short'), first);
    assert.throws(() => producer.commit(101), { code: 'OPTION_INVALID' });
    producer.commit(5);
    const second = producer.tryClaim(1000);
    producer.abort();
    producer.abort();
    assert.equal(producer.tryClaim(8), second);
    producer.commit();
    assert.deepEqual(
      take(consumer).map(({ body }) => body.length),
      [5, 8],
    );
  });

  it('refuses a commit without a claim and a claim within a claim', () => {
    const { producer } = open();
    assert.throws(() => producer.commit(), { code: 'STATE_INVALID' });
    assert.throws(() => producer.commit(3), { code: 'STATE_INVALID' });
    producer.tryClaim(8);
    assert.throws(() => producer.tryClaim(8), { code: 'STATE_INVALID' });
    producer.commit();
    assert.throws(() => producer.commit(), { code: 'STATE_INVALID' });
  });

  it('[RING-7] refuses lengths and kinds that no record has', () => {
    const { producer } = open();
    assert.equal(producer.maxRecordBytes, 1016);
    assert.throws(() => producer.tryClaim(1017), { code: 'FRAME_TOO_LARGE' });
    for (const length of [-1, Number.NaN]) {
      assert.throws(() => producer.tryClaim(length), { code: 'OPTION_INVALID' });
    }
    for (const kind of [0, 256, -1])
      assert.throws(() => producer.tryClaim(8, kind), { code: 'OPTION_INVALID' });
    assert.ok(producer.tryClaim(1016, 255) >= 0);
  });

  it('answers BACK_PRESSURED when full, and takes exactly its capacity', () => {
    const { producer, consumer } = open();
    for (let i = 0; i < 4; i++) assert.ok(producer.offer(bytesOf(1016)) >= 0);
    assert.equal(producer.freeBytes, 0);
    assert.equal(producer.tryClaim(0), BACK_PRESSURED);
    assert.equal(take(consumer, 1).length, 1);
    assert.equal(producer.freeBytes, 1024);
    assert.ok(producer.offer(bytesOf(1016)) >= 0);
    assert.equal(producer.offer(bytesOf(1)), BACK_PRESSURED);
  });

  it('publishes a corked batch at once, in parts when it is long, and when the ring is full', () => {
    const { producer, consumer } = open();
    producer.cork();
    producer.offer(bytesOf(100));
    producer.offer(bytesOf(100));
    assert.equal(take(consumer).length, 0);
    producer.publish();
    assert.equal(take(consumer).length, 2);
    producer.offer(bytesOf(100));
    assert.equal(take(consumer).length, 0);
    producer.uncork();
    assert.equal(take(consumer).length, 1);
    producer.offer(bytesOf(100));
    assert.equal(take(consumer).length, 1);
    producer.cork();
    let sent = 0;
    while (producer.offer(bytesOf(100)) >= 0) sent++;
    assert.equal(take(consumer).length, sent);
  });

  it('stops a batch when the handler says so', () => {
    const { producer, consumer } = open();
    for (let i = 1; i <= 5; i++) producer.offer(bytesOf(8), 0, 8, i);
    const kinds: number[] = [];
    const handler = (_: Uint8Array, __: number, ___: number, kind: number) => {
      kinds.push(kind);
      if (kind === 3) consumer.stop();
    };
    assert.equal(consumer.poll(handler), 3);
    assert.equal(consumer.poll(handler), 2);
    assert.deepEqual(kinds, [1, 2, 3, 4, 5]);
    consumer.stop();
    producer.offer(bytesOf(8));
    assert.equal(consumer.poll(handler), 1);
  });

  it('has consumed the record of a handler that throws, and refuses to be polled by a handler', () => {
    const { producer, consumer } = open();
    for (let i = 1; i <= 3; i++) producer.offer(bytesOf(8), 0, 8, i);
    assert.throws(
      () =>
        consumer.poll((_, __, ___, kind) => {
          if (kind === 2) throw new Error('mine');
        }),
      /mine/,
    );
    assert.equal(producer.usedBytes, 16);
    assert.deepEqual(
      take(consumer).map(({ kind }) => kind),
      [3],
    );
    producer.offer(bytesOf(8));
    assert.throws(() => consumer.poll(() => void consumer.poll(() => {})), { code: 'STATE_INVALID' });
    assert.equal(producer.usedBytes, 0);
  });

  it('[RING-12] gives room back in the middle of a long batch, but never the record in hand', () => {
    const { producer, consumer } = open();
    for (let i = 0; i < 16; i++) producer.offer(bytesOf(248));
    let freed = 0;
    let seen = 0;
    consumer.poll(() => {
      seen++;
      freed = Math.max(freed, producer.freeBytes);
      assert.ok(producer.freeBytes <= (seen - 1) * 256);
    });
    assert.ok(freed >= 2048, `only ${freed} bytes came back during the batch`);
  });

  it('[RING-10] rings a parked consumer once for each time it parked', () => {
    const { producer, consumer, rung } = open();
    producer.offer(bytesOf(8));
    assert.equal(consumer.park(), false);
    take(consumer);
    assert.equal(consumer.park(), true);
    assert.equal(rung.consumer, 0);
    producer.offer(bytesOf(8));
    producer.offer(bytesOf(8));
    assert.equal(rung.consumer, 1);
    consumer.unpark();
    take(consumer);
    producer.offer(bytesOf(8));
    assert.equal(rung.consumer, 1);
  });

  it('[RING-11] rings a parked producer once there is the room that it waits for', () => {
    const { producer, consumer, rung } = open();
    assert.equal(producer.park(8), false);
    for (let i = 0; i < 16; i++) producer.offer(bytesOf(248));
    assert.equal(producer.park(1000), true);
    take(consumer, 3);
    assert.equal(rung.producer, 0);
    take(consumer, 1);
    assert.equal(rung.producer, 1);
    take(consumer, 1);
    assert.equal(rung.producer, 1);
    producer.unpark();
    assert.ok(producer.offer(bytesOf(1000)) >= 0);
  });

  it('publishes what a corked producer holds before it parks', () => {
    const { producer, consumer } = open();
    for (let i = 0; i < 4; i++) producer.offer(bytesOf(1016));
    take(consumer, 1);
    producer.cork();
    producer.offer(bytesOf(8));
    assert.equal(producer.park(1016), true);
    assert.equal(take(consumer).length, 4);
  });

  it('[shm-transport 14] refuses work after close, and closes twice', () => {
    const { producer, consumer } = open();
    producer.cork();
    producer.offer(bytesOf(8));
    producer.tryClaim(8);
    for (let i = 0; i < 2; i++) {
      producer.close();
      assert.equal(producer.tryClaim(8), CLOSED);
      assert.equal(producer.offer(bytesOf(8)), CLOSED);
      assert.throws(() => producer.commit(), { code: 'STATE_INVALID' });
    }
    assert.equal(take(consumer).length, 1);
    for (let i = 0; i < 2; i++) {
      consumer.close();
      assert.equal(
        consumer.poll(() => {}),
        CLOSED,
      );
      assert.equal(consumer.peek(), CLOSED);
      assert.equal(consumer.park(), false);
    }
  });

  it('[RING-1] [shm-transport 18] refuses a control block that is not the agreed ring', () => {
    const attach = (scribble: (words: Int32Array) => void, capacityBytes = KIB4) => {
      const memory = new ArrayBuffer(SpscRing.bytesNeeded(8192));
      SpscRing.format({ memory, capacityBytes: KIB4 });
      scribble(new Int32Array(memory));
      return SpscRing.attach({ memory, capacityBytes });
    };
    attach(() => {});
    for (const [word, value] of [
      [0, 0],
      [2, 9],
      [3, 8192],
      [TAIL_WORD, 4],
      [HEAD_WORD, 4],
      [HEAD_WORD, 8],
      [TAIL_WORD, KIB4 + 8],
    ] as const) {
      assert.throws(
        () =>
          attach((words) => {
            words[word] = value;
          }),
        { code: 'REGION_CORRUPT' },
        `word ${word} = ${value}`,
      );
    }
    assert.throws(() => attach((words) => words.fill(2, 1, 2)), { code: 'VERSION_UNSUPPORTED' });
    assert.throws(() => attach(() => {}, 8192), { code: 'REGION_CORRUPT' });
  });

  it('[RING-4] [shm-transport 18] reports positions that went astray, each time, and goes on when they are right again', () => {
    const { producer, consumer, words } = open();
    for (let i = 0; i < 4; i++) producer.offer(bytesOf(1016));
    for (const bad of [4, -8, 4104, 2 ** 31 - 8]) {
      words[HEAD_WORD] = bad;
      for (let i = 0; i < 2; i++) assert.throws(() => producer.tryClaim(8), { code: 'REGION_CORRUPT' });
    }
    words[HEAD_WORD] = 0;
    assert.equal(producer.tryClaim(8), BACK_PRESSURED);
    take(consumer, 1);
    for (const bad of [4100, 0, 2048, 1024 + 4104, -(2 ** 31)]) {
      words[TAIL_WORD] = bad;
      for (let i = 0; i < 2; i++) assert.throws(() => take(consumer), { code: 'REGION_CORRUPT' });
      assert.throws(() => consumer.park(), { code: 'REGION_CORRUPT' });
    }
    words[TAIL_WORD] = 4096;
    assert.equal(take(consumer).length, 3);
  });

  it('[RING-9] [shm-transport 18] reports a record header that lies, and says which word it was', () => {
    const cases: [word: number, value: number, what: string][] = [
      [0, -1, 'record length'],
      [0, 1017, 'record length'],
      [0, 0x7fffffff, 'record length'],
      [0, 64, 'record length'],
      [1, 256, 'record kind'],
      [1, -1, 'record kind'],
      [1, 0, 'padding length'],
    ];
    for (const [word, value, what] of cases) {
      const { producer, consumer, words } = open();
      producer.offer(bytesOf(8));
      words[SPSC_DATA_WORD + word] = value;
      for (const read of [() => consumer.poll(() => assert.fail('handed over')), () => consumer.peek()]) {
        assert.throws(
          read,
          (error) => TendonError.is(error, 'REGION_CORRUPT') && error.details.what === what,
        );
      }
    }
  });

  it('[shm-transport 18] reports a record that would reach beyond the data where positions wrap (seed -610712424)', () => {
    const { producer, consumer, words } = open({ initialPosition: 2 ** 31 - KIB4 });
    for (let i = 0; i < 3; i++) producer.offer(bytesOf(1016));
    producer.offer(bytesOf(936));
    take(consumer);
    producer.offer(bytesOf(40)); // its header lies 80 bytes before the end, its neighbour after the wrap
    producer.offer(bytesOf(40));
    words[SPSC_DATA_WORD + (KIB4 - 80) / 4] = 80;
    const lie = { what: 'record length', value: 80 };
    for (const read of [() => consumer.poll(() => assert.fail('handed over')), () => consumer.peek()]) {
      assert.throws(
        read,
        (error) => TendonError.is(error, 'REGION_CORRUPT') && isDeepStrictEqual(error.details, lie),
      );
    }
  });

  it('[RING-2] refuses memory that is too small, misaligned offsets, odd capacities and unknown options', () => {
    const memory = new ArrayBuffer(SpscRing.bytesNeeded(KIB4) + 128);
    const refused = (options: object) =>
      assert.throws(() => SpscRing.format({ memory, capacityBytes: KIB4, ...options }), {
        code: 'OPTION_INVALID',
      });
    refused({ capacityBytes: 8192 });
    refused({ capacityBytes: 5000 });
    refused({ capacityBytes: 2048 });
    refused({ byteOffset: 8 });
    refused({ byteOffset: 256 });
    refused({ initialPosition: 4 });
    refused({ initialPosition: 2 ** 31 });
    refused({ capacity: 1 });
    SpscRing.format({ memory, capacityBytes: KIB4, byteOffset: 128 });
  });
});
