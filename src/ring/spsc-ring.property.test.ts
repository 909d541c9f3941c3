import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { BACK_PRESSURED, TendonError } from '../core/index.ts';
import {
  CONSUMER_PARKED_WORD,
  HEAD_WORD,
  PRODUCER_PARKED_WORD,
  SPSC_DATA_WORD,
  TAIL_WORD,
} from './layout.ts';
import { EMPTY } from './spsc-consumer.ts';
import { SpscRing } from './spsc-ring.ts';

const CAPACITY = 4096;
const MAX_RECORD = CAPACITY / 4 - 8;

/** Starts just below both places where an int32 wraps, and elsewhere. */
const position = fc.oneof(
  fc.constantFrom(0, -8, -4096, 2 ** 31 - 8, 2 ** 31 - 4096, -(2 ** 31)),
  fc.integer({ min: -(2 ** 28), max: 2 ** 28 - 1 }).map((eighth) => eighth * 8),
);
const length = fc.oneof(fc.integer({ min: 0, max: 80 }), fc.integer({ min: 0, max: MAX_RECORD }));
const kind = fc.integer({ min: 1, max: 255 });

type Step =
  | { readonly do: 'offer'; readonly length: number; readonly kind: number; readonly skip: number }
  | { readonly do: 'claim'; readonly length: number; readonly kind: number; readonly keep: number }
  | { readonly do: 'poll'; readonly limit: number; readonly stopAt: number }
  | { readonly do: 'abort' | 'cork' | 'uncork' | 'publish' | 'peek' | 'consumerPark' | 'producerPark' };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('offer'), length, kind, skip: fc.nat(9) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('claim'), length, kind, keep: fc.nat(MAX_RECORD) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('poll'), limit: fc.nat(40), stopAt: fc.nat(60) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('abort', 'cork', 'uncork', 'publish', 'peek', 'consumerPark', 'producerPark'),
    }),
  },
) as fc.Arbitrary<Step>;

interface Model {
  readonly kind: number;
  readonly body: Uint8Array;
}

function bodyOf(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + seed * 13) & 255);
}

describe('SpscRing, against an array', () => {
  it('hands over what was committed, whole, once, in order, wherever positions wrap', () => {
    fc.assert(
      fc.property(position, fc.array(step, { minLength: 1, maxLength: 120 }), (initialPosition, steps) => {
        const memory = new ArrayBuffer(SpscRing.bytesNeeded(CAPACITY));
        SpscRing.format({ memory, capacityBytes: CAPACITY, initialPosition });
        const ring = SpscRing.attach({ memory, capacityBytes: CAPACITY });
        const producer = ring.producer();
        const consumer = ring.consumer();
        const queue: Model[] = [];
        let seed = 0;
        const check = (body: Uint8Array, kind: number) => {
          const expected = queue.shift();
          assert.deepEqual({ kind, body }, expected);
        };
        const refused = (length: number) => {
          const size = (length + 15) & -8;
          assert.ok(producer.freeBytes < 2 * size, `refused ${length} with ${producer.freeBytes} free`);
        };
        for (const s of steps) {
          seed++;
          switch (s.do) {
            case 'offer': {
              const source = bodyOf(s.skip + s.length + (s.skip % 3), seed);
              if (producer.offer(source, s.skip, s.length, s.kind) === BACK_PRESSURED) refused(s.length);
              else queue.push({ kind: s.kind, body: source.slice(s.skip, s.skip + s.length) });
              break;
            }
            case 'claim': {
              const at = producer.tryClaim(s.length, s.kind);
              if (at === BACK_PRESSURED) {
                refused(s.length);
                break;
              }
              const body = bodyOf(Math.min(s.keep, s.length), seed);
              producer.bytes.set(body, at);
              producer.commit(body.length);
              queue.push({ kind: s.kind, body });
              break;
            }
            case 'abort':
              if (producer.tryClaim(100) >= 0) producer.abort();
              break;
            case 'cork':
            case 'uncork':
            case 'publish':
              producer[s.do]();
              break;
            case 'poll': {
              let taken = 0;
              const count = consumer.poll((bytes, offset, length, kind) => {
                check(bytes.slice(offset, offset + length), kind);
                if (++taken === s.stopAt) consumer.stop();
              }, s.limit);
              assert.equal(count, taken);
              assert.ok(count <= s.limit);
              break;
            }
            case 'peek': {
              const at = consumer.peek();
              if (at === EMPTY) break;
              check(consumer.bytes.slice(at, at + consumer.recordLength), consumer.recordKind);
              consumer.release();
              break;
            }
            case 'consumerPark':
              assert.equal(consumer.park(), consumer.availableBytes === 0);
              consumer.unpark();
              break;
            case 'producerPark':
              if (producer.park(100)) assert.ok(producer.freeBytes < 2 * 112);
              producer.unpark();
              break;
            default:
              s satisfies never;
          }
        }
        producer.uncork();
        consumer.poll((bytes, offset, length, kind) => check(bytes.slice(offset, offset + length), kind));
        assert.equal(queue.length, 0);
        assert.equal(producer.usedBytes, 0);
      }),
      { numRuns: 600 },
    );
  });

  it('[shm-transport 18] meets scribbles over every word with REGION_CORRUPT or data in range, and always ends', () => {
    const word = fc.oneof(
      fc.constantFrom(TAIL_WORD, HEAD_WORD, CONSUMER_PARKED_WORD, PRODUCER_PARKED_WORD),
      fc.nat(CAPACITY / 4 - 1).map((data) => SPSC_DATA_WORD + data),
      fc.nat(20).map((record) => SPSC_DATA_WORD + record * 10), // headers of 32-byte records
      fc.nat(20).map((record) => SPSC_DATA_WORD + record * 10 + 1),
    );
    const value = fc.oneof(
      fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
      fc.integer({ min: -16, max: 4200 }),
      fc.nat(2 * CAPACITY).map((n) => n & -8),
    );
    let refused = 0;
    let handed = 0;
    fc.assert(
      fc.property(
        position,
        fc.array(fc.tuple(word, value, fc.boolean(), fc.nat(30)), { minLength: 1, maxLength: 40 }),
        (initialPosition, scribbles) => {
          const memory = new ArrayBuffer(SpscRing.bytesNeeded(CAPACITY));
          const words = new Int32Array(memory);
          const ring = SpscRing.format({ memory, capacityBytes: CAPACITY, initialPosition });
          const producer = ring.producer();
          const consumer = ring.consumer();
          const body = bodyOf(32, 1);
          const survive = (work: () => void) => {
            try {
              work();
            } catch (error) {
              if (!TendonError.is(error, 'REGION_CORRUPT')) throw error;
              refused++;
            }
          };
          for (const [at, to, relative, records] of scribbles) {
            for (let i = 0; i < records; i++) survive(() => void producer.offer(body));
            words[at] = relative && at < SPSC_DATA_WORD ? (words[at]! + to) | 0 : to;
            survive(() => {
              let count = 0;
              consumer.poll((bytes, offset, length, kind) => {
                handed++;
                assert.ok(++count <= CAPACITY / 8, 'a poll that does not end');
                assert.ok(offset >= 8 && offset + length <= bytes.length && length <= MAX_RECORD);
                assert.ok(kind >= 1 && kind <= 255);
              });
            });
            survive(() => {
              const offset = consumer.peek();
              if (offset < 0) return;
              assert.ok(offset + consumer.recordLength <= CAPACITY && consumer.recordLength <= MAX_RECORD);
              consumer.release();
            });
            survive(() => void consumer.park());
            survive(() => void producer.park(8));
            survive(() => assert.ok(producer.freeBytes >= 0 && producer.freeBytes <= CAPACITY));
          }
        },
      ),
      { numRuns: 1500 },
    );
    assert.ok(
      refused > 1000 && handed > 1000,
      `${refused} refused, ${handed} handed over: nothing was tried`,
    );
  });
});
