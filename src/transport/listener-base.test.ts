import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TendonError } from '../core/index.ts';
import type { Connection } from './contract.ts';
import { ListenerBase } from './listener-base.ts';

class Scripted extends ListenerBase {
  readonly endpoint = 'scripted:1';
  readonly refusals: TendonError[] = [];
  constructor(backlog: number) {
    super(backlog);
    this.events.on('refused', (reason) => this.refusals.push(reason));
  }
  protected async stop(): Promise<void> {}
  ref(): void {}
  unref(): void {}
  arrive(): Connection {
    const connection = new Peer() as unknown as Connection; // of a connection the queue needs just this
    this.deliver(connection);
    return connection;
  }
  get room(): boolean {
    return this.hasRoom;
  }
}

class Peer {
  state = 'open';
  closeReason: TendonError | undefined = undefined;
  destroy(reason?: TendonError): void {
    this.state = 'closed';
    this.closeReason = reason;
  }
}

describe('ListenerBase', () => {
  it('gives the places of connections that died in the backlog to others', async () => {
    const listener = new Scripted(2);
    const dead = [listener.arrive(), listener.arrive()];
    assert.equal(listener.room, false);
    for (const connection of dead) connection.destroy();
    assert.ok(listener.room);
    const third = listener.arrive();
    const fourth = listener.arrive();
    assert.deepEqual(listener.refusals, []);
    const fifth = listener.arrive();
    assert.deepEqual([fifth.state, fifth.closeReason?.code], ['closed', 'QUEUE_FULL']);
    assert.equal(listener.refusals.length, 1);
    assert.deepEqual([await listener.accept(), await listener.accept()], [third, fourth]);
  });

  it('turns away who comes after its close because it is closed, not because nobody accepted', async () => {
    const listener = new Scripted(2);
    const closed = listener.close();
    const late = listener.arrive();
    await closed;
    assert.equal(late.state, 'closed');
    assert.equal(late.closeReason?.code, 'CONNECTION_CLOSED');
    assert.deepEqual(
      listener.refusals.map(({ code }) => code),
      ['CONNECTION_CLOSED'],
    );
  });
});
