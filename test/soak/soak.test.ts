import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { SeededRandom } from 'tendon/testing';
import { type Census, childrenOf, takeCensus } from './census.ts';
import type { ConnectionEnd, Deeds, Endpoints, Holding, Saying, ServerSample } from './orders.ts';
import { SoakPeer, until } from './peer.ts';
import type { ClientArguments } from './peers/client.ts';

const SECONDS = Number(process.env['TENDON_SOAK_SECONDS'] ?? '20');
const SEED = Number(process.env['TENDON_SOAK_SEED'] ?? Date.now() % 2 ** 31);
/** What collections and the allocator make of the same state at two times. A leak passes it sooner or later. */
const MEMORY_BOUND_BYTES = 30 * 1024 * 1024;
const MIB = 1024 * 1024;

/** A client that is always there: when it is killed, another takes its place. */
interface Role {
  readonly program: 'frames' | 'caller' | 'subscriber' | 'churner';
  readonly endpoint: keyof Endpoints;
  /** what the client maps and what the server maps for it, while it is at rest */
  readonly clientMappings: readonly string[];
  readonly serverMappings: readonly string[];
  /** connections while it is at rest */
  readonly connections: number;
  readonly lasting?: boolean;
  readonly limit?: number;
  readonly paceMs?: number;
  readonly gaps?: boolean;
}

const CHANNEL = ['tendon-channel'];
const CURSOR = ['tendon-channel', 'tendon-cursor'];
const READER = ['tendon-broadcast', 'tendon-channel', 'tendon-cursor'];
const BROADCASTS = ['tendon-broadcast', 'tendon-broadcast'];
const framing = {
  program: 'frames',
  endpoint: 'frames',
  clientMappings: CHANNEL,
  serverMappings: CHANNEL,
} as const;
const calling = {
  program: 'caller',
  endpoint: 'calls',
  clientMappings: CHANNEL,
  serverMappings: CHANNEL,
} as const;
const reading = { program: 'subscriber', clientMappings: READER, serverMappings: CURSOR } as const;

const ROLES: readonly Role[] = [
  { ...framing, connections: 1, lasting: true },
  { ...framing, connections: 1 },
  { ...framing, connections: 1 },
  { ...framing, endpoint: 'unix', clientMappings: [], serverMappings: [], connections: 1, lasting: true },
  { ...framing, endpoint: 'tcp', clientMappings: [], serverMappings: [], connections: 1 },
  { ...calling, connections: 1, lasting: true },
  { ...calling, connections: 1 },
  { ...reading, endpoint: 'waiting', connections: 1, limit: 0, paceMs: 20, lasting: true },
  { ...reading, endpoint: 'waiting', connections: 1, limit: 200, paceMs: 10 },
  { ...reading, endpoint: 'dropping', connections: 1, limit: 0, paceMs: 20, gaps: true },
  { ...reading, endpoint: 'dropping', connections: 1, limit: 3, paceMs: 25, gaps: true, lasting: true },
  { program: 'churner', endpoint: 'echo', clientMappings: [], serverMappings: [], connections: 0 },
];
const MORTAL = ROLES.flatMap(({ lasting }, index) => (lasting ? [] : [index]));
const CONNECTIONS = ROLES.reduce((sum, { connections }) => sum + connections, 0);

interface Stock {
  readonly server: ServerSample;
  readonly census: Census;
  /** of each role, as it holds itself at rest */
  readonly clients: readonly Holding[];
}

class Soak {
  readonly directory = mkdtempSync(join(tmpdir(), 'tendon-soak-'));
  readonly journals = mkdtempSync(join(tmpdir(), 'tendon-soak-journals-'));
  readonly random = new SeededRandom(SEED);
  readonly server: SoakPeer;
  readonly clients: SoakPeer[] = [];
  readonly everybody: SoakPeer[] = [];
  readonly stocks: Stock[] = [];
  /** how numbered connections ended, by name; forgotten when their client is dead */
  readonly ends = new Map<string, ConnectionEnd>();
  readonly deeds: Deeds = { frames: 0, calls: 0, connections: 0, switches: 0, missed: 0 };
  endpoints: Endpoints | undefined;
  baseline: Census | undefined;
  agentsAtFirst = 0;
  kills = 0;
  stops = 0;
  /** kills after which there were frames that had to arrive */
  prefixes = 0;
  #births = 0;
  readonly #killed = new Set<string>();
  /** of a client that was not killed */
  #badEnd: ConnectionEnd | undefined = undefined;

  constructor() {
    chmodSync(this.directory, 0o700);
    this.server = new SoakPeer('server', 'server', [this.directory, String(SEED)], (saying) =>
      this.#hear(saying),
    );
    this.everybody.push(this.server);
  }

  #hear(saying: Saying): void {
    if (saying.say !== 'ended') return;
    const { end } = saying;
    const owner = end.name.slice(0, end.name.lastIndexOf('.'));
    this.ends.set(end.name, end);
    if (this.#killed.has(owner)) return;
    if (end.name === '' ? end.reason !== 'CONNECTION_LOST' : !end.complete || end.reason !== undefined)
      this.#badEnd ??= end; // without a name: killed before its hello was here
  }

  async start(): Promise<void> {
    this.endpoints = (await this.server.hears('listening')).endpoints;
    this.agentsAtFirst = (await this.sample('collect')).agents;
    this.baseline = takeCensus(this.server.pid);
    assert.deepEqual(this.baseline.mappings, BROADCASTS);
    for (let index = 0; index < ROLES.length; index++) this.clients[index] = this.#launch(index);
    for (const client of this.clients) await client.hears('ready');
  }

  #launch(index: number): SoakPeer {
    const role = ROLES[index] as Role; // `index` counts them
    const { program, endpoint, lasting = false, limit = 0, paceMs = 0, gaps = false } = role;
    const name = `${program}-${endpoint}-${this.#births++}`;
    const journal = program === 'frames' && endpoint === 'frames' ? { journal: this.#journalOf(name) } : {};
    const args: ClientArguments = {
      runtimeDirectory: this.directory,
      endpoint: (this.endpoints as Endpoints)[endpoint], // the server listens by now
      name,
      seed: this.random.uint32(),
      lasting,
      limit,
      paceMs,
      gaps,
      ...journal,
    };
    const peer = new SoakPeer(program, name, [JSON.stringify(args)]);
    this.everybody.push(peer);
    return peer;
  }

  #journalOf(name: string): string {
    return join(this.journals, name);
  }

  async sample(order: 'count' | 'collect'): Promise<ServerSample> {
    this.server.tell(order);
    return (await this.server.hears('sample')).sample;
  }

  check(): void {
    assert.equal(this.#badEnd, undefined);
    for (const peer of [this.server, ...this.clients]) {
      peer.check();
      if (!peer.running) throw new Error(`${peer.name} ended in the middle`);
    }
  }

  // --- what befalls the clients --------------------------------------------------------------------------

  async kill(): Promise<void> {
    const index = MORTAL[this.random.integer(0, MORTAL.length - 1)] as number; // one of them
    const victim = this.clients[index] as SoakPeer; // one for each role
    this.#killed.add(victim.name);
    if (this.random.chance(0.2)) victim.signal('SIGSTOP'); // a stopped process dies too
    const unread = this.random.chance(0.5);
    if (unread) {
      this.server.signal('SIGSTOP'); // what the victim commits from here on, nobody reads before it is dead
      await sleep(this.random.integer(20, 250));
    }
    await victim.kill();
    if (unread) this.server.signal('SIGCONT');
    assert.equal(victim.fault, undefined);
    this.kills++;
    await this.#committedPrefixArrived(victim);
    for (const name of this.ends.keys()) if (name.startsWith(`${victim.name}.`)) this.ends.delete(name);
    const successor = this.#launch(index);
    this.clients[index] = successor;
    await successor.hears('ready');
    this.everybody.splice(this.everybody.indexOf(victim), 1);
    assert.ok(victim.gone, `${victim.name} is still there`);
  }

  /** All that a killed client had in the ring was handed over before its end was told. */
  async #committedPrefixArrived(victim: SoakPeer): Promise<void> {
    const path = this.#journalOf(victim.name);
    if (!existsSync(path)) return;
    const record = readFileSync(path);
    rmSync(path);
    if (record.length < 8) return;
    const name = `${victim.name}.${record.readUInt32LE(0)}`;
    const certain = record.readUInt32LE(4);
    await until(
      () => this.ends.has(name),
      () => `the server to see the end of ${name}, which was killed`,
    );
    const end = this.ends.get(name) as ConnectionEnd; // it was waited for
    if (!end.complete) assert.equal(end.reason, 'CONNECTION_LOST');
    assert.ok(
      end.received >= certain,
      `${name} had committed ${certain} frames when it was killed, ${end.received} arrived`,
    );
    this.prefixes++;
  }

  async stopAWhile(): Promise<void> {
    const victim = this.random.chance(0.1)
      ? this.server
      : (this.clients[this.random.integer(0, ROLES.length - 1)] as SoakPeer); // one for each role
    victim.signal('SIGSTOP');
    await sleep(this.random.integer(20, 700));
    victim.signal('SIGCONT');
    this.stops++;
  }

  // --- taking stock --------------------------------------------------------------------------------------

  /** All at rest, each connected: what is held then follows from the roles, and nothing else may be held. */
  async takeStock(): Promise<void> {
    this.check();
    for (const client of this.clients) client.tell('pause');
    const clients: Holding[] = [];
    for (const client of this.clients) clients.push((await client.hears('paused')).holding);
    this.server.tell('pause');
    let server = await this.sample('count');
    const giveUpAt = performance.now() + 20_000;
    const atRest = (): boolean => server.connections === CONNECTIONS && server.activeHandlers === 0;
    while (!atRest() && performance.now() < giveUpAt) {
      await sleep(20);
      server = await this.sample('count');
    }
    assert.equal(server.connections, CONNECTIONS);
    assert.equal(server.activeHandlers, 0);
    assert.equal(server.agents, this.agentsAtFirst + CONNECTIONS);
    const census = await this.#settledCensus(server.connections); // before a collection could close what was forgotten
    server = await this.sample('collect');
    for (const [index, role] of ROLES.entries()) {
      const { pid, name } = this.clients[index] as SoakPeer; // one for each role
      assert.deepEqual(takeCensus(pid).mappings, role.clientMappings, `mappings of ${name}`);
    }
    assert.deepEqual(
      childrenOf(process.pid).sort(),
      this.everybody.map(({ pid }) => pid).sort(),
      'processes',
    );
    this.stocks.push({ server, census, clients });
    this.server.tell('resume');
    for (const client of this.clients) client.tell('resume');
  }

  async #settledCensus(connections: number): Promise<Census> {
    const { descriptors } = this.baseline as Census; // taken at the start
    const mappings = [
      ...BROADCASTS,
      ...(connections === 0 ? [] : ROLES.flatMap((role) => role.serverMappings)),
    ].sort();
    let census = takeCensus(this.server.pid);
    await until(
      () => {
        census = takeCensus(this.server.pid);
        return (
          census.descriptors.length === descriptors.length + connections &&
          census.mappings.join() === mappings.join()
        );
      },
      () =>
        `the server to hold what ${connections} connections need.\n` +
        `before: ${descriptors.join(' ')}\nnow: ${census.descriptors.join(' ')}\n` +
        `mappings: ${census.mappings.join(' ')} instead of ${mappings.join(' ')}`,
    );
    return census;
  }

  /** The second half of the soak holds no more than the first. */
  memoryIsFlat(): void {
    const half = Math.floor(this.stocks.length / 2);
    const flat = (what: string, values: readonly number[]): void => {
      const grown = median(values.slice(half)) - median(values.slice(0, half));
      const list = values.map((bytes) => (bytes / MIB).toFixed(1)).join(' ');
      assert.ok(grown <= MEMORY_BOUND_BYTES, `${what} grew by ${(grown / MIB).toFixed(1)} MiB: ${list}`);
    };
    for (const key of ['heapUsed', 'external', 'rss'] as const) {
      flat(
        `server ${key}`,
        this.stocks.map(({ server }) => server[key]),
      );
      for (const [index, role] of ROLES.entries()) {
        if (!role.lasting) continue;
        const name = (this.clients[index] as SoakPeer).name; // one for each role
        flat(
          `${name} ${key}`,
          this.stocks.map(({ clients }) => (clients[index] as Holding)[key]),
        ); // a holding each
      }
    }
  }

  // --- the end -------------------------------------------------------------------------------------------

  async finish(): Promise<ServerSample> {
    const subscribers = this.clients.filter((_, index) => ROLES[index]?.program === 'subscriber');
    const others = this.clients.filter((client) => !subscribers.includes(client));
    for (const client of this.clients) client.tell('finish');
    for (const client of others) await this.#takeLeave(client);
    for (const client of subscribers) await client.hears('finishing');
    this.server.tell('end-broadcasts');
    for (const client of subscribers) await this.#takeLeave(client);
    await this.#settledCensus(0);
    const last = await this.sample('collect');
    assert.equal(last.connections, 0);
    assert.equal(last.activeHandlers, 0);
    assert.equal(last.agents, this.agentsAtFirst);
    assert.ok(last.dropped >= this.deeds.missed, `${this.deeds.missed} missed, ${last.dropped} counted`);
    assert.equal(this.#badEnd, undefined);
    this.server.tell('stop');
    await this.server.ends();
    assert.deepEqual(
      readdirSync(this.directory).filter((name) => name !== '.lock'),
      [],
      'the runtime directory is empty',
    );
    for (const peer of this.everybody) assert.ok(peer.gone, `${peer.name} is still there`);
    assert.deepEqual(childrenOf(process.pid), []);
    return last;
  }

  async #takeLeave(client: SoakPeer): Promise<void> {
    const { deeds } = await client.hears('done');
    for (const key of Object.keys(deeds) as (keyof Deeds)[]) this.deeds[key] += deeds[key]; // its own keys
    await client.ends();
  }

  [Symbol.dispose](): void {
    for (const peer of this.everybody) peer[Symbol.dispose]();
    rmSync(this.directory, { recursive: true, force: true });
    rmSync(this.journals, { recursive: true, force: true });
  }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] as number; // there are samples in each half
}

function summary(soak: Soak, last: ServerSample): string {
  const { deeds, stocks } = soak;
  const servers = stocks.map(({ server }) => server);
  const peak = (key: 'rss' | 'heapUsed'): string =>
    (Math.max(...servers.map((s) => s[key])) / MIB).toFixed(0);
  return [
    `${SECONDS} s, seed ${SEED}: ${last.frames} numbered frames to the server, ${last.broadcasts} broadcast`,
    `${deeds.frames} frames and ${deeds.connections} connections of the ${ROLES.length} last clients`,
    `${last.calls} calls, ${soak.kills} kills (${soak.prefixes} with a prefix), ${soak.stops} stops`,
    `${deeds.switches + last.switches} switches, ${last.dropped} dropped for slow readers, ${stocks.length} samples`,
    `server rss ${peak('rss')} MiB at most, ${(last.rss / MIB).toFixed(0)} after`,
    `heap ${peak('heapUsed')} MiB at most, ${(last.heapUsed / MIB).toFixed(0)} after`,
  ].join('; ');
}

it('[shm-transport 89] leaks no descriptor, mapping, process or memory and loses no frame in TENDON_SOAK_SECONDS of mixed traffic with kills, stops and switches', async (test) => {
  assert.ok(
    SECONDS >= 5,
    `TENDON_SOAK_SECONDS must be at least 5, got ${process.env['TENDON_SOAK_SECONDS']}`,
  );
  using soak = new Soak();
  await soak.start();
  const endAt = performance.now() + SECONDS * 1_000;
  const everyMs = Math.min(30, Math.max(2, SECONDS / 15)) * 1_000;
  let stockAt = performance.now() + everyMs;
  while (performance.now() < endAt) {
    const lot = soak.random.integer(0, 99);
    if (lot < 45) await soak.kill();
    else if (lot < 65) await soak.stopAWhile();
    else await sleep(soak.random.integer(10, 300));
    soak.check();
    if (performance.now() < stockAt) continue;
    await soak.takeStock();
    stockAt = performance.now() + everyMs;
  }
  await soak.takeStock();
  await soak.takeStock(); // the shortest soak has two halves too
  soak.memoryIsFlat();
  const last = await soak.finish();
  for (const count of [last.frames, last.calls, last.broadcasts, soak.kills, soak.deeds.switches])
    assert.ok(count > 0, 'everything took part');
  test.diagnostic(summary(soak, last));
  process.stderr.write(`soak: ${summary(soak, last)}\n`);
});
