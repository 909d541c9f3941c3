import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Context } from 'tendon/core';
import { assertNumbered, numberedFrame, turns, until, within } from 'tendon/testing';
import type { Connection, Transport } from 'tendon/transport';

const PEER = fileURLToPath(new URL('./peer.js', import.meta.url));
/** How often each way of dying is tried. */
const ROUNDS = process.env['TENDON_TORTURE'] === '1' ? 200 : 4;

export interface ProcessSubject {
  readonly transport: Transport;
  readonly freshEndpoint: () => string;
  /** where the peer imports the transport from, and as what: `'tendon/transport/unix'`, `'unixTransport'` */
  readonly module: string;
  readonly exported: string;
}

type Role = 'echo' | 'flood' | 'committed' | 'read' | 'silent' | 'unref' | 'close';

interface Message {
  readonly what: string;
  readonly code?: string;
  readonly state?: string;
  readonly sequence?: number;
}

class PeerProcess implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly said: Message[] = [];
  readonly exited: Promise<unknown>;
  #stderr = '';

  constructor(role: Role, endpoint: string, subject: ProcessSubject) {
    const child = spawn(process.execPath, [PEER, role, endpoint, subject.module, subject.exported], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.child = child;
    this.exited = once(child, 'exit');
    createInterface({ input: child.stdout }).on('line', (line) =>
      this.said.push(JSON.parse(line) as Message),
    ); // peer.ts wrote it
    child.stderr.on('data', (chunk) => {
      this.#stderr += String(chunk);
    });
  }

  async hears(what: string): Promise<Message> {
    await until(
      () => this.said.some((message) => message.what === what) || this.child.exitCode !== null,
      () => `the peer to say "${what}"; it said ${JSON.stringify(this.said)} ${this.#stderr}`,
    );
    const message = this.said.find((one) => one.what === what);
    assert.ok(message !== undefined, `the peer ended without saying "${what}": ${this.#stderr}`);
    return message;
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill('SIGKILL');
    await within(this.exited, 'the peer to exit');
  }
}

interface Meeting extends AsyncDisposable {
  readonly peer: PeerProcess;
  readonly connection: Connection;
}

function descriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

/** What must hold between processes: real ones, killed and stopped. */
export function processTests(name: string, subject: ProcessSubject): void {
  const context = new Context();

  async function meet(role: Role): Promise<Meeting> {
    const listener = await subject.transport.listen(subject.freshEndpoint(), { context });
    const accepting = listener.accept();
    const peer = new PeerProcess(role, listener.endpoint, subject);
    try {
      const connection = await within(accepting, `a peer that plays "${role}"`);
      await listener.close();
      return {
        peer,
        connection,
        [Symbol.asyncDispose]: async () => {
          connection.destroy();
          await peer[Symbol.asyncDispose]();
        },
      };
    } catch (error) {
      await listener.close();
      await peer[Symbol.asyncDispose]();
      throw error;
    }
  }

  async function lost(connection: Connection): Promise<void> {
    await until(
      () => connection.state === 'closed',
      () => `the survivor to learn of the death (it is ${connection.state})`,
    );
    assert.equal(connection.closeReason?.code, 'CONNECTION_LOST');
  }

  describe(`${name} between processes`, () => {
    let atFirst = 0;
    before(async () => {
      const meeting = await meet('silent'); // what Node opens once and keeps is open from here on
      await meeting[Symbol.asyncDispose]();
      await turns(5);
      atFirst = descriptors();
    });

    it('carries frames there and back', async () => {
      await using meeting = await meet('echo');
      const { connection } = meeting;
      let next = 0;
      connection.consume((bytes, offset, length) => assertNumbered(bytes, offset, length, next++));
      for (let sequence = 0; sequence < 3000; sequence++) {
        await until(
          () => sequence - next < 200 || connection.state !== 'open',
          () => `echoes of ${sequence} frames, ${next} came`,
        );
        await connection.send(numberedFrame(sequence, (sequence * 31) % 5000));
      }
      await until(
        () => next === 3000,
        () => `3000 echoes, ${next} came`,
      );
    });

    it('[shm-transport 22] learns of a kill -9 and delivers what the dead had committed', async () => {
      for (let round = 0; round < ROUNDS; round++) {
        await using meeting = await meet('committed');
        const { connection, peer } = meeting;
        await peer.hears('committed');
        peer.kill('SIGKILL');
        await within(peer.exited, 'the peer to die');
        const frames: Uint8Array[] = [];
        const receiving = (async () => {
          for await (const batch of connection.receive()) frames.push(...batch);
        })();
        await assert.rejects(within(receiving, 'the loop to end'), { code: 'CONNECTION_LOST' });
        assert.equal(frames.length, 50);
        for (const [sequence, frame] of frames.entries()) assertNumbered(frame, 0, frame.length, sequence);
      }
    });

    it('[shm-transport 22] delivers whole frames, in order, of a sender that is killed in the middle', async () => {
      for (let round = 0; round < ROUNDS; round++) {
        await using meeting = await meet('flood');
        const { connection, peer } = meeting;
        let next = 0;
        connection.consume((bytes, offset, length) => {
          assert.equal(length, (next * 7919) % 3000);
          assertNumbered(bytes, offset, length, next++);
        });
        await until(() => next > 300 + round * 777, 'the flood to arrive');
        peer.kill('SIGKILL');
        await lost(connection);
        // What it had told us it had sent, minus what only it can lose: nothing that came is torn or missing.
        assert.equal(connection.stats.framesReceived, next);
      }
    });

    it('[shm-transport 22] tells who sends to a reader that is killed, and rejects all that waits', async () => {
      for (let round = 0; round < ROUNDS; round++) {
        await using meeting = await meet('silent');
        const { connection, peer } = meeting;
        connection.consume(() => {});
        const sends: Promise<unknown>[] = [];
        const frame = numberedFrame(round, 100_000);
        for (let sequence = 0; sequence < 500; sequence++) {
          const sending = connection.send(frame);
          sends.push(
            sending.then(
              () => 'sent',
              (error: { code: string }) => error.code,
            ),
          );
        }
        await turns(10);
        peer.kill('SIGKILL');
        const outcomes = new Set(await within(Promise.all(sends), 'every send to settle'));
        outcomes.delete('sent');
        assert.deepEqual([...outcomes], ['CONNECTION_LOST']);
        await lost(connection);
      }
    });

    it('learns of a peer that is killed while both are idle', async () => {
      await using meeting = await meet('silent');
      const { connection, peer } = meeting;
      connection.consume(() => {});
      await until(() => context.poller.activeAgents === 0, 'the idle connection to park');
      peer.kill('SIGKILL');
      await lost(connection);
    });

    it('takes a stopped peer for slow, not for dead', async () => {
      await using meeting = await meet('read');
      const { connection, peer } = meeting;
      await peer.hears('open');
      peer.kill('SIGSTOP');
      let taken = 0;
      for (let refusals = 0; refusals < 50; ) {
        if (connection.offer(numberedFrame(taken, 1000)) === 0) taken++;
        else refusals++;
        if (taken % 64 === 0 || refusals > 0) await turns(1);
        assert.ok(taken < 50_000, 'a stopped peer must cause back-pressure');
      }
      await new Promise((resolve) => setTimeout(resolve, 1_500)); // a lower bound: silence that must not kill
      assert.ok(connection.state === 'open' || connection.state === 'degraded', `it is ${connection.state}`);
      peer.kill('SIGCONT');
      for (let sequence = taken; sequence < taken + 2000; sequence++)
        await within(connection.send(numberedFrame(sequence, 1000)), 'a send to the peer that goes on');
      await until(
        () =>
          peer.said.filter((message) => message.what === 'read').length >= Math.floor((taken + 2000) / 1000),
        'the peer to have read all',
      );
      assert.equal(connection.state, 'open');
    });

    it('delivers everything of a peer that closes and exits at once', async () => {
      await using meeting = await meet('close');
      const { connection, peer } = meeting;
      const frames: Uint8Array[] = [];
      for await (const batch of connection.receive()) frames.push(...batch);
      assert.equal(frames.length, 2000);
      for (const [sequence, frame] of frames.entries()) assertNumbered(frame, 0, frame.length, sequence);
      assert.equal(connection.closeReason, undefined);
      await within(peer.exited, 'the peer to exit');
      assert.equal(peer.child.exitCode, 0);
    });

    it("lets a process end whose connection is unref'd", async () => {
      await using meeting = await meet('unref');
      meeting.connection.consume(() => {});
      await within(meeting.peer.exited, 'the peer to exit by itself');
      assert.equal(meeting.peer.child.exitCode, 0);
    });

    after(async () => {
      await until(
        () => descriptors() <= atFirst,
        () => `${descriptors() - atFirst} descriptors to be closed`,
      );
    });
  });
}
