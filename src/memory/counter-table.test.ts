import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { TendonError } from '../core/index.ts';
import { HEADER_BYTES, RECORD_BYTES } from './counter-layout.ts';
import { type CounterId, CounterTable } from './counter-table.ts';
import { threadLiveness } from './owner.ts';

const code = (expected: string) => (error: unknown) => TendonError.is(error) && error.code === expected;
const options = { capacity: 8, writers: 3 };
const memory = (): Int32Array => new Int32Array(new SharedArrayBuffer(CounterTable.wordsNeeded(options) * 4));
const party = (id: number, dead = new Set<number>()) => threadLiveness(id, (thread) => !dead.has(thread));
const ROUNDS = 20_000;

if (!isMainThread) {
  const { words, threadId } = workerData as { words: Int32Array; threadId: number };
  using counter = CounterTable.attach(words, 0, party(threadId)).join(0 as CounterId);
  for (let n = 0; n < ROUNDS; n++) counter.increment();
} else {
  describe('CounterTable', () => {
    it('shows to whoever attaches what is counted, under its name', () => {
      const words = memory();
      const table = CounterTable.create(words, 0, options, party(1));
      const sent = table.allocate({ typeId: 7, label: 'frames gesendet, größer' });
      const lost = table.allocate({ label: 'lost', typeId: -1 });
      sent.increment();
      sent.add(2 ** 40);
      lost.set(3);
      lost.set(-1);
      const reader = CounterTable.attach(words, 0, party(2));
      const owner = { pid: 1, startTime: 0, threadId: 1 };
      assert.deepEqual(reader.list(), [
        { id: 0, typeId: 7, label: 'frames gesendet, größer', shared: false, value: 2 ** 40 + 1, owner },
        { id: 1, typeId: -1, label: 'lost', shared: false, value: -1, owner },
      ]);
      assert.throws(() => reader.join(sent.id), code('STATE_INVALID'));
      sent.close();
      sent.close();
      assert.throws(() => sent.increment(), code('STATE_INVALID'));
      assert.equal(reader.read(sent.id), undefined);
      assert.equal(table.allocate({ label: 'again' }).id, sent.id);
      assert.equal(reader.read(sent.id)?.value, 0);
    });

    it('sums exactly what several threads add to one counter', async () => {
      const words = memory();
      const table = CounterTable.create(words, 0, options, party(9));
      const counter = table.allocate({ label: 'shared', shared: true });
      counter.add(5);
      const ends = [1, 2].map((threadId) =>
        once(new Worker(new URL(import.meta.url), { workerData: { words, threadId } }), 'exit'),
      );
      for (const [exitCode] of await Promise.all(ends)) assert.equal(exitCode, 0);
      assert.equal(table.value(counter.id), 2 * ROUNDS + 5);
    });

    it('keeps what a dead writer counted, gives its place to the next, and has a bound on writers', () => {
      const dead = new Set<number>();
      const words = memory();
      const tables = [1, 2, 3, 4].map((id) =>
        id === 1
          ? CounterTable.create(words, 0, options, party(id, dead))
          : CounterTable.attach(words, 0, party(id, dead)),
      );
      const counters = tables.slice(0, 3).map((table, n) => {
        return n === 0 ? table.allocate({ label: 'c', shared: true }) : table.join(0 as CounterId);
      });
      for (const counter of counters) counter.add(10);
      assert.throws(() => tables[3]!.join(0 as CounterId), code('RESOURCE_EXHAUSTED'));
      dead.add(2);
      const heir = tables[3]!.join(0 as CounterId);
      heir.add(1);
      assert.equal(tables[0]!.value(0 as CounterId), 31);
    });

    it('frees the counters of the dead, but none that a living thread still adds to', () => {
      const dead = new Set<number>();
      const words = memory();
      const one = CounterTable.create(words, 0, options, party(1, dead));
      const two = CounterTable.attach(words, 0, party(2, dead));
      one.allocate({ label: 'alone' });
      const shared = one.allocate({ label: 'joined', shared: true });
      const joined = two.join(shared.id);
      assert.equal(two.reclaim(), 0);
      dead.add(1);
      assert.equal(two.reclaim(), 1);
      joined.close();
      assert.equal(two.reclaim(), 1);
      assert.deepEqual(two.list(), []);
    });

    it('gives no record away while one who joined it still has a cell there', () => {
      const words = memory();
      const one = CounterTable.create(words, 0, options, party(1));
      const two = CounterTable.attach(words, 0, party(2));
      const shared = one.allocate({ label: 'first', shared: true });
      const joined = two.join(shared.id);
      shared.close();
      const next = one.allocate({ label: 'next' });
      assert.notEqual(next.id, shared.id);
      joined.add(5);
      assert.equal(one.value(next.id), 0);
      joined.close();
      assert.equal(one.allocate({ label: 'third' }).id, shared.id);
    });

    it('refuses a table whose header or records cannot be', () => {
      const broken = (word: number, value: number) => {
        const words = memory();
        CounterTable.create(words, 0, options, party(1)).allocate({ label: 'a' });
        words[word] = value;
        return CounterTable.attach(words, 0, party(2)).list();
      };
      const record = HEADER_BYTES / 4;
      assert.equal(broken(record + 4, 12).length, 1);
      assert.throws(() => broken(0, 1), code('REGION_CORRUPT'));
      assert.throws(() => broken(1, 2), code('VERSION_UNSUPPORTED'));
      for (const value of [0, -1, 9, 65_537, 0x7fffffff]) {
        assert.throws(() => broken(2, value), code('REGION_CORRUPT'), `capacity ${value}`);
      }
      for (const value of [0, -1, 4, 65]) {
        assert.throws(() => broken(3, value), code('REGION_CORRUPT'), `writers ${value}`);
      }
      assert.throws(() => broken(record + 2, 7), code('REGION_CORRUPT'));
      assert.throws(() => broken(record + 3, -3), code('REGION_CORRUPT'));
      for (const value of [-1, 161, 0x7fffffff]) {
        assert.throws(() => broken(record + 6, value), code('REGION_CORRUPT'), `label of ${value}`);
      }
      assert.throws(() => CounterTable.attach(new Int32Array(4), 0, party(1)), code('OPTION_INVALID'));
    });

    it('is full when it is full, and refuses labels that do not fit', () => {
      const table = CounterTable.create(memory(), 0, options, party(1));
      assert.throws(() => table.allocate({ label: 'x'.repeat(161) }), code('OPTION_INVALID'));
      for (let n = 0; n < options.capacity; n++) table.allocate({ label: 'x'.repeat(160) });
      assert.throws(() => table.allocate({ label: 'x' }), code('RESOURCE_EXHAUSTED'));
      assert.equal(RECORD_BYTES % 64, 0);
    });
  });
}
