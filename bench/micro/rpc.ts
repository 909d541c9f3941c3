/**
 * Echo calls between two processes, through proxy and stub: calls/s with 1 and 64 in flight.
 *
 *   node dist-test/bench/micro/rpc.js [shm] [seconds a row, 2] [bytes, 64] [ms an idle poller spins before it parks, 0.2]
 *
 * The response is compared with the request, every byte of it.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Context, Poller } from 'tendon/core';
import { defineService, method, ServiceProxy, ServiceStub } from 'tendon/rpc';
import type { Transport } from 'tendon/transport';
import { shmTransport } from 'tendon/transport/shm';

const echo = defineService('bench-echo', {
  methods: {
    bytes: method<Uint8Array, Uint8Array>({ codec: 'bytes' }),
    json: method<{ id: number; text: string }, { id: number; text: string }>(),
    later: method<Uint8Array, Uint8Array>({ codec: 'bytes' }),
  },
});

const SCHEMES: Readonly<Record<string, { readonly transport: Transport; readonly endpoint: string }>> = {
  shm: { transport: shmTransport, endpoint: `shm:bench-rpc-${process.ppid}` },
};

const [scheme = 'shm', seconds = '2', size = '64', spin = '0.2', role = 'client'] = process.argv.slice(2);
const spinMs = Number(spin);
const choice = SCHEMES[scheme];
if (choice === undefined)
  throw new Error(`no scheme ${scheme}; there are ${Object.keys(SCHEMES).join(', ')}`);
const { transport } = choice;

if (role === 'server') {
  const context = new Context({ poller: new Poller({ spinMs }) });
  const listener = await transport.listen(choice.endpoint, { context });
  await ServiceStub.serve(
    echo,
    { bytes: (request) => request, json: (request) => request, later: async (request) => request },
    { listener, context, maxConcurrentRequests: 1_000 },
  );
  process.send?.(listener.endpoint);
  process.once('disconnect', () => process.exit());
} else {
  const server = fork(fileURLToPath(import.meta.url), [scheme, seconds, size, spin, 'server']);
  const [endpoint] = (await once(server, 'message')) as [string];
  const context = new Context({ poller: new Poller({ spinMs }) });
  const proxy = await ServiceProxy.connect(echo, () => transport.connect(endpoint, { context }), { context });
  const payload = new Uint8Array(Number(size)).map((_, index) => index);
  const note = { id: 7, text: 'x'.repeat(Math.max(0, Number(size) - 20)) };

  const bytes = async (name: 'bytes' | 'later'): Promise<void> => {
    const answer = await proxy.call(name, payload);
    if (answer.length !== payload.length) throw new Error('the echo has another length');
    for (let index = 0; index < answer.length; index++) {
      if (answer[index] !== payload[index]) throw new Error(`byte ${index} of the echo differs`);
    }
  };
  const json = async (): Promise<void> => {
    const answer = await proxy.call('json', note);
    if (answer.id !== note.id || answer.text !== note.text) throw new Error('the echo differs');
  };

  const rows: object[] = [];
  const measure = async (what: string, inFlight: number, once: () => Promise<void>): Promise<void> => {
    for (const lastMs of [500, Number(seconds) * 1_000]) {
      let calls = 0;
      let running = true;
      const cpu = process.cpuUsage();
      const start = performance.now();
      const timer = setTimeout(() => {
        running = false;
      }, lastMs);
      await Promise.all(
        Array.from({ length: inFlight }, async () => {
          while (running) {
            await once();
            calls++;
          }
        }),
      );
      clearTimeout(timer);
      if (lastMs === 500) continue;
      const elapsedMs = performance.now() - start;
      const used = process.cpuUsage(cpu);
      const row = {
        scheme: proxy.connection.stats.active,
        what,
        inFlight,
        callsPerSecond: Math.round((calls / elapsedMs) * 1_000),
        clientCpuUsPerCall: Number(((used.user + used.system) / calls).toFixed(2)),
      };
      rows.push(row);
    }
  };
  await measure('bytes', 1, () => bytes('bytes'));
  await measure('bytes', 64, () => bytes('bytes'));
  await measure('bytes, async handler', 64, () => bytes('later'));
  await measure('json', 1, json);
  await measure('json', 64, json);
  console.table(rows);
  const { model } = cpus()[0] ?? { model: 'unknown' };
  console.log(
    JSON.stringify({ cpu: model, cpus: cpus().length, node: process.version, bytes: Number(size), rows }),
  );
  await proxy.close();
  server.disconnect();
  await once(server, 'exit');
}
