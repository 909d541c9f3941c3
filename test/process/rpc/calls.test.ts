import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Context, TendonError } from 'tendon/core';
import { ServiceProxy } from 'tendon/rpc';
import { type ServerReport, TRANSPORTS, testService } from './service.js';

const SCALE = process.env['TENDON_TORTURE'] ? 50 : 1;
const DEADLINE_MS = 30_000;
const peer = (name: string): string => fileURLToPath(new URL(`./${name}.js`, import.meta.url));
const is = (expected: string) => (error: unknown) => TendonError.is(error) && error.code === expected;
const soon = () => ({ signal: AbortSignal.timeout(DEADLINE_MS) });

type Proxy = ServiceProxy<typeof testService.methods>;

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  for (const startMs = performance.now(); !(await condition()); await delay(2)) {
    if (performance.now() - startMs > DEADLINE_MS) throw new Error(`waited in vain until ${what}`);
  }
}

for (const scheme of Object.keys(TRANSPORTS)) {
  describe(`calls between processes over ${scheme}:`, () => {
    const children = new Set<ChildProcess>();
    let directory: string;
    let names = 0;

    before(() => {
      directory = mkdtempSync(join(tmpdir(), 'tendon-rpc-'));
    });
    after(() => {
      assert.equal(children.size, 0, 'no process is left');
      const left = readdirSync(directory).filter((name) => name.endsWith('.sock'));
      rmSync(directory, { recursive: true });
      // A server that was killed leaves the file of its socket; nobody else does.
      assert.ok(
        left.every((name) => name.includes('killed')),
        `left behind: ${left.join(', ')}`,
      );
    });

    const start = (name: string, ...args: string[]): ChildProcess => {
      const child = fork(peer(name), args, { stdio: 'inherit' });
      children.add(child);
      child.once('exit', () => children.delete(child));
      return child;
    };
    const serve = async (label = 'server'): Promise<{ server: ChildProcess; endpoint: string }> => {
      const name = `${label}-${names++}`;
      const wanted = {
        shm: `shm:${name}`,
        unix: `unix:${join(directory, `${name}.sock`)}`,
        tcp: 'tcp://127.0.0.1:0',
      };
      const server = start('server', scheme, wanted[scheme as 'shm' | 'unix' | 'tcp'], directory);
      const [endpoint] = (await once(server, 'message', soon())) as [string];
      return { server, endpoint };
    };
    const connect = (
      endpoint: string,
      context = new Context({ runtimeDirectory: directory }),
    ): Promise<Proxy> =>
      ServiceProxy.connect(testService, () => TRANSPORTS[scheme]!.connect(endpoint, { context }), {
        context,
      });
    const stop = async (server: ChildProcess): Promise<unknown> => {
      const told = once(server, 'message', soon());
      const exit = once(server, 'exit', soon());
      server.kill('SIGTERM');
      const [report] = await told;
      await exit;
      return report;
    };
    const kill = async (child: ChildProcess): Promise<void> => {
      const exit = once(child, 'exit', soon());
      child.kill('SIGKILL');
      await exit;
    };
    const report = (proxy: Proxy): Promise<ServerReport> => proxy.call('report');

    it('are answered exactly, 64 in flight, small and large', async () => {
      const { server, endpoint } = await serve();
      const proxy = await connect(endpoint);
      const large = Uint8Array.from({ length: 3_000_000 }, (_, index) => index * 31 + (index >> 8));
      let next = 0;
      const worker = async (): Promise<void> => {
        for (let n = next++; n < 3_000 * SCALE; n = next++) {
          assert.deepEqual(await proxy.call('echo', { n, text: `call ${n}` }), { n, text: `call ${n}` });
          if (n % 500 === 0) {
            const answer = await proxy.call('bytes', large);
            assert.ok(Buffer.compare(answer, large) === 0, 'every byte comes back');
          }
        }
      };
      await Promise.all(Array.from({ length: 64 }, worker));
      for (let note = 0; note < 100; note++) await proxy.callOneWay('note', `${note}`);
      assert.equal((await report(proxy)).notes, 100);
      assert.equal(proxy.stats.failedCalls, 0);
      await proxy.close();
      assert.deepEqual(await stop(server), { finished: true, abandoned: 0 });
    });

    it('carry errors, deadlines and cancellation to the other process and back', async () => {
      const { server, endpoint } = await serve();
      const proxy = await connect(endpoint);
      await assert.rejects(proxy.call('refuse', 'sorry'), (error: TendonError) => {
        assert.ok(TendonError.is(error, 'REMOTE'));
        assert.deepEqual(
          [error.message, error.details.remoteCode, error.details.remoteDetails],
          ['sorry', 'NOT_TODAY', { tomorrow: true }],
        );
        return true;
      });
      const controller = new AbortController();
      const cancelled = proxy.call('sleep', 60_000, { signal: controller.signal });
      const late = assert.rejects(proxy.call('sleep', 60_000, { deadlineMs: 50 }), is('DEADLINE_EXCEEDED'));
      await until(
        'both run',
        async () => (await report(proxy)).activeHandlers === 2 || proxy.stats.timeoutCalls > 0,
      );
      controller.abort();
      await assert.rejects(cancelled, is('ABORTED'));
      await late;
      await until('both handlers are aborted', async () => (await report(proxy)).abortedHandlers === 2);
      assert.equal((await report(proxy)).activeHandlers, 0);
      await proxy.close();
      await stop(server);
    });

    it('[rpc-framework 97] fail promptly when the server is killed with calls in flight: all of them, none hangs', async () => {
      for (let round = 0; round < 3 * SCALE; round++) {
        const { server, endpoint } = await serve('killed');
        const proxy = await connect(endpoint);
        let answered = 0;
        let lost = 0;
        const worker = async (n: number): Promise<void> => {
          try {
            for (;;) {
              await proxy.call('echo', { n, text: 'x' }, { deadlineMs: Infinity });
              answered++;
            }
          } catch (error) {
            assert.ok(is('CONNECTION_LOST')(error), String(error));
            lost++;
          }
        };
        const workers = Array.from({ length: 64 }, (_, n) => worker(n));
        const sleeper = assert.rejects(
          proxy.call('sleep', 60_000, { deadlineMs: Infinity }),
          is('CONNECTION_LOST'),
        );
        await until('calls flow', async () => answered > 100 * round);
        await kill(server);
        await Promise.all([...workers, sleeper]);
        assert.equal(lost, 64);
        assert.equal(proxy.stats.activeCalls, 0);
        await assert.rejects(proxy.call('report'), is('CONNECTION_LOST'));
        await proxy.close();
      }
    });

    it('of a client that is killed are aborted on the server, and others are served on', async () => {
      const { server, endpoint } = await serve();
      const proxy = await connect(endpoint);
      const victim = start('client', scheme, endpoint, directory);
      await once(victim, 'message', soon());
      assert.equal((await report(proxy)).activeHandlers, 10);
      await kill(victim);
      await until('its handlers are aborted', async () => (await report(proxy)).abortedHandlers === 10);
      const { activeHandlers, connections } = await report(proxy);
      assert.deepEqual([activeHandlers, connections], [0, 1]);
      await proxy.close();
      await stop(server);
    });

    it('[rpc-framework 111] are answered to the last when the server stops in good order; new ones hear DRAINING', async () => {
      const { server, endpoint } = await serve();
      const proxy = await connect(endpoint);
      const slow = proxy.call('sleep', 300);
      await until('it runs', async () => (await report(proxy)).activeHandlers === 1);
      const stopped = stop(server);
      const refusals = new Set<string>();
      while (refusals.size === 0) {
        await proxy.call('echo', { n: 0, text: '' }).catch((error: TendonError) => refusals.add(error.code));
      }
      assert.deepEqual([...refusals], ['DRAINING']);
      assert.equal(await slow, 'slept');
      assert.deepEqual(await stopped, { finished: true, abandoned: 0 });
      await proxy.close();
    });

    it('go on while another client sends garbage', async () => {
      const { server, endpoint } = await serve();
      const proxy = await connect(endpoint);
      const context = new Context({ runtimeDirectory: directory });
      for (let round = 0; round < 5; round++) {
        const hostile = await TRANSPORTS[scheme]!.connect(endpoint, { context });
        const closed = new Promise((resolve) => {
          hostile.events.on('state', (state) => state === 'closed' && resolve(state));
        });
        hostile.consume(() => {});
        hostile.offer(Uint8Array.from({ length: 64 }, (_, index) => index * 37 + round));
        await closed;
      }
      assert.equal((await report(proxy)).droppedConnections, 5);
      assert.deepEqual(await proxy.call('echo', { n: 1, text: 'fine' }), { n: 1, text: 'fine' });
      await proxy.close();
      await stop(server);
    });
  });
}
