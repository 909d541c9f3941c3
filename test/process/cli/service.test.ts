import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Place, ROOT } from './command.ts';

const MODULE = `
import { defineService, method } from '${ROOT}/dist/rpc/index.js';
export default {
  service: defineService('calc', {
    methods: {
      add: method(),
      nothing: method(),
      slow: method(),
      fail: method(),
      raw: method({ codec: 'bytes' }),
      note: method({ oneWay: true }),
    },
  }),
  handlers: {
    add: ({ a, b }) => ({ sum: a + b }),
    nothing: () => undefined,
    slow: (ms, { signal }) => new Promise((resolve) => {
      const timer = setTimeout(resolve, ms, 'done');
      signal.addEventListener('abort', () => resolve(clearTimeout(timer)));
    }),
    fail: () => { throw new Error('no way'); },
    raw: (bytes) => Buffer.from(bytes).reverse(),
    note: (text) => { process.stdout.write('noted ' + text + '\\n'); },
  },
};
`;

describe('tendon serve and tendon call', () => {
  const place = new Place();
  const module = join(place.directory, 'calc.mjs');
  before(() => writeFileSync(module, MODULE));
  after(() => place.remove());

  async function serving(endpoint: string, drainSeconds = 5) {
    const server = place.start(['serve', endpoint, '--module', module, '--drain', `${drainSeconds}`]);
    await server.said(/serving calc \(add, nothing, slow, fail, raw, note\) at .*, pid \d+\n/);
    return server;
  }

  it('calls by names alone with JSON, and with the module by its contract, until the server is told to stop', async () => {
    const server = await serving('shm:calc');
    const calls: [string[], number, RegExp, RegExp][] = [
      [['calc/add', '{"a":2,"b":3}'], 0, /^\{"sum":5\}\n$/, /^$/],
      [['add', '{"a":2,"b":4}', '--module', module], 0, /^\{"sum":6\}\n$/, /^$/],
      [['calc/nothing'], 0, /^$/, /^$/],
      [['raw', 'abc', '--module', module], 0, /^cba$/, /^$/],
      [['calc/fail'], 1, /^$/, /^HANDLER_FAILED: .*no way/],
      [['calc/none'], 1, /^$/, /^METHOD_NOT_FOUND: .*\n {2}what to do: /],
      [['calc/slow', '60000', '--timeout', '100'], 1, /^$/, /^DEADLINE_EXCEEDED: /],
      [['calc/note', '"hello"', '--one-way'], 0, /^$/, /^$/],
      [['calc/add', '{a'], 1, /^$/, /^OPTION_INVALID: json must be JSON/],
      [['add', '{}'], 1, /^$/, /^OPTION_INVALID: method must name one/],
      [['nope', '--module', module], 1, /^$/, /calc has add, nothing/],
    ];
    const ends = calls.map(async ([args, how, stdout, stderr]) => {
      const ended = await place.run(['call', 'shm:calc', ...args]);
      assert.equal(ended.how, how, `${args}: ${ended.stderr}`);
      assert.match(ended.stdout, stdout, `${args}`);
      assert.match(ended.stderr, stderr, `${args}`);
    });
    await Promise.all(ends);
    await server.said(/noted hello/);
    server.child.kill('SIGTERM');
    const { how, stdout, stderr } = await server.ended;
    assert.match(stdout, /stopped after \d+ requests/);
    assert.match(stderr, /calc\/fail failed: no way/);
    assert.equal(how, 0, 'nobody waits for the handler of 60 s any more');
    await place.assertEmpty();
  });

  it('answers the call under way before it ends', async () => {
    const server = await serving(`unix:${join(place.directory, 'calc.sock')}`);
    const call = place.run(['call', `unix:${join(place.directory, 'calc.sock')}`, 'calc/slow', '1500']);
    await sleep(800);
    server.child.kill('SIGINT');
    assert.deepEqual(await call, { how: 0, stdout: '"done"\n', stderr: '' });
    assert.equal((await server.ended).how, 0);
    await place.assertEmpty();
  });

  it('cuts off what takes longer than it may, and says so by its exit code', async () => {
    const server = await serving('shm:cut', 0.2);
    const call = place.run(['call', 'shm:cut', 'calc/slow', '60000']);
    await sleep(800);
    server.child.kill('SIGTERM');
    const { how, stdout } = await server.ended;
    assert.match(stdout, /stopped after 1 requests, 1 cut off/);
    assert.equal(how, 1);
    assert.equal((await call).how, 1);
    await place.assertEmpty();
  });

  it('says what a module lacks', async () => {
    const empty = join(place.directory, 'empty.mjs');
    writeFileSync(empty, 'export const nothing = 1;');
    for (const [file, why] of [
      [empty, /must export \{ service, handlers \}/],
      [join(place.directory, 'none.mjs'), /cannot be loaded/],
    ] as const) {
      const { how, stderr } = await place.run(['serve', 'shm:x', '--module', file]);
      assert.equal(how, 1);
      assert.match(stderr, why);
    }
  });

  it('tells misuse (2) from failure (1), and shows the stack when asked', async () => {
    const cases: [string[], number, RegExp][] = [
      [['serve', 'shm:x'], 2, /--module/],
      [['nonsense'], 2, /unknown command/],
      [['call', 'shm:nobody', 'a/b'], 1, /^ENDPOINT_NOT_FOUND: .*\n {2}what to do: .*\n$/],
      [['--debug', 'call', 'shm:nobody', 'a/b'], 1, /\n {4}at .*[.]js/],
      [['call', 'what', 'a/b'], 1, /^ENDPOINT_INVALID: /],
    ];
    const ends = cases.map(async ([args, how, stderr]) => {
      const ended = await place.run(args);
      assert.equal(ended.how, how, `${args}`);
      assert.match(ended.stderr, stderr);
    });
    await Promise.all(ends);
    assert.match((await place.run(['--version'])).stdout, /^\d+[.]\d+[.]\d+\n$/);
  });
});
