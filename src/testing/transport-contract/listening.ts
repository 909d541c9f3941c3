import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { TendonError } from '../../core/index.ts';
import type { Connection } from '../../transport/index.ts';
import { numberedFrame } from '../frames.ts';
import { turns, until, within } from '../wait.ts';
import { Collector, closed, type Fixture, pollFrames, rejects } from './fixture.ts';

/** Listening, accepting, connecting, and being turned away. */
export function listeningTests(fixture: Fixture): void {
  const { transport } = fixture.subject;

  it('[shm-transport 68] serves many clients at once', async () => {
    const contexts = fixture.contexts();
    await using listener = await fixture.listen(fixture.subject.freshEndpoint(), {
      context: contexts.server,
      backlog: 256,
    });
    const clients = await Promise.all(
      Array.from({ length: 60 }, () => fixture.connect(listener.endpoint, { context: contexts.client })),
    );
    const servers: Connection[] = [];
    for (let index = 0; index < clients.length; index++) {
      const server = await within(listener.accept(), 'accept');
      server.consume((bytes, offset, length) => void server.offer(bytes, offset, length));
      servers.push(server);
    }
    const collectors = clients.map((client) => new Collector(client));
    for (let sequence = 0; sequence < 10; sequence++) {
      await Promise.all(clients.map((client) => client.send(numberedFrame(sequence, 100))));
    }
    for (const collector of collectors) await collector.wait(10);
    await within(Promise.all(clients.map((client) => client.close())), 'sixty clients to close');
    for (const server of servers) assert.equal(await closed(server), undefined);
  });

  it('accepts by iteration until it is closed, and its connections live on', async () => {
    const contexts = fixture.contexts();
    await using listener = await fixture.listen(fixture.subject.freshEndpoint(), {
      context: contexts.server,
    });
    const accepted: Connection[] = [];
    const accepting = (async () => {
      for await (const connection of listener) accepted.push(connection);
    })();
    await using client = await fixture.connect(listener.endpoint, { context: contexts.client });
    await until(() => accepted.length === 1, 'the connection to be accepted');
    await within(listener.close(), 'the listener to close');
    await within(accepting, 'the loop to end');
    await client.send(numberedFrame(0, 10));
    await pollFrames(accepted[0]!, 1);
    accepted[0]!.destroy();
  });

  it('rejects who waits to accept when it is closed', async () => {
    const contexts = fixture.contexts();
    const listener = await fixture.listen(fixture.subject.freshEndpoint(), { context: contexts.server });
    const waiting = rejects(listener.accept(), 'CONNECTION_CLOSED', 'an accept on a listener that closes');
    const closing = listener.close();
    assert.equal(listener.close(), closing);
    await within(closing, 'the listener to close');
    await waiting;
    await rejects(listener.accept(), 'CONNECTION_CLOSED', 'an accept on a closed listener');
  });

  it('stops waiting to accept when the signal is aborted, and loses no connection by it', async () => {
    const contexts = fixture.contexts();
    await using listener = await fixture.listen(fixture.subject.freshEndpoint(), {
      context: contexts.server,
    });
    const controller = new AbortController();
    const aborted = listener.accept({ signal: controller.signal });
    const waiting = listener.accept();
    const reason = new Error('not now');
    controller.abort(reason);
    assert.equal((await rejects(aborted, 'ABORTED', 'an aborted accept')).cause, reason);
    await rejects(listener.accept({ signal: controller.signal }), 'ABORTED', 'an accept aborted before');
    await using client = await fixture.connect(listener.endpoint, { context: contexts.client });
    await using server = await within(waiting, 'the other accept');
    await client.send(new Uint8Array(1));
    await pollFrames(server, 1);
  });

  it('refuses an endpoint where somebody listens, and gives it free on close', async () => {
    const contexts = fixture.contexts();
    const first = await fixture.listen(fixture.subject.freshEndpoint(), { context: contexts.server });
    await rejects(
      transport.listen(first.endpoint, { ...fixture.subject.listenOptions, context: contexts.server }),
      'ENDPOINT_IN_USE',
      'listening where somebody listens',
    );
    await within(first.close(), 'the listener to close');
    await using second = await fixture.listen(first.endpoint, { context: contexts.server });
    const accepting = second.accept();
    await using client = await fixture.connect(second.endpoint, { context: contexts.client });
    await using server = await within(accepting, 'accept');
    await client.send(new Uint8Array(1));
    await pollFrames(server, 1);
  });

  it('says so when nobody listens', async () => {
    const endpoint = (fixture.subject.nobodysEndpoint ?? fixture.subject.freshEndpoint)();
    const { client } = fixture.contexts();
    const error = await rejects(
      transport.connect(endpoint, { ...fixture.subject.connectOptions, context: client }),
      ['ENDPOINT_NOT_FOUND', 'CONNECTION_REFUSED'],
      'connecting to nobody',
    );
    assert.ok(error.retryable);
    assert.ok(error.message.includes(endpoint), `"${error.message}" does not name ${endpoint}`);
  });

  it('says so when a listener is gone', async () => {
    const contexts = fixture.contexts();
    const listener = await fixture.listen(fixture.subject.freshEndpoint(), { context: contexts.server });
    await listener.close();
    await rejects(
      transport.connect(listener.endpoint, { ...fixture.subject.connectOptions, context: contexts.client }),
      ['ENDPOINT_NOT_FOUND', 'CONNECTION_REFUSED'],
      'connecting to a closed listener',
    );
  });

  it('refuses endpoints of another form and options that it does not know', async () => {
    for (const endpoint of [
      '',
      'nonsense',
      'other:thing',
      `${transport.scheme}:`,
      `${transport.scheme}:///..`,
    ]) {
      await rejects(transport.connect(endpoint), 'ENDPOINT_INVALID', `connecting to "${endpoint}"`);
      await rejects(transport.listen(endpoint), 'ENDPOINT_INVALID', `listening on "${endpoint}"`);
    }
    const endpoint = fixture.subject.freshEndpoint();
    const nobody = (fixture.subject.nobodysEndpoint ?? fixture.subject.freshEndpoint)();
    await rejects(
      transport.connect(endpoint, { timeout: 5 } as object),
      'OPTION_INVALID',
      'an unknown option',
    );
    await rejects(
      transport.listen(endpoint, { timeout: 5 } as object),
      'OPTION_INVALID',
      'an unknown option',
    );
    await rejects(transport.connect(nobody, { maxFrameBytes: 1 }), 'OPTION_INVALID', 'a bad option');
  });

  it('turns away whom nobody accepts, says so, and goes on', async () => {
    const contexts = fixture.contexts();
    await using listener = await fixture.listen(fixture.subject.freshEndpoint(), {
      context: contexts.server,
      backlog: 2,
    });
    const refused: TendonError[] = [];
    listener.events.on('refused', (reason) => refused.push(reason));
    const clients = [
      await fixture.connect(listener.endpoint, { context: contexts.client }),
      await fixture.connect(listener.endpoint, { context: contexts.client }),
    ];
    // Where the listener can say so in time the connect fails, else the connection ends at once.
    const third = await fixture.connect(listener.endpoint, { context: contexts.client }).then(
      (connection) => connection,
      () => undefined,
    );
    if (third !== undefined) {
      third.consume(() => {});
      await closed(third);
    }
    await until(() => refused.length > 0, 'the refused event');
    for (const client of clients) {
      await using server = await within(listener.accept(), 'accept');
      await server.send(numberedFrame(0, 10));
      await pollFrames(client, 1);
      client.destroy();
    }
  });

  it('stops connecting when the signal is aborted', async () => {
    const contexts = fixture.contexts();
    const options = { ...fixture.subject.connectOptions, context: contexts.client };
    await using listener = await fixture.listen(fixture.subject.freshEndpoint(), {
      context: contexts.server,
    });
    const before = AbortSignal.abort(new Error('never'));
    await rejects(
      transport.connect(listener.endpoint, { ...options, signal: before }),
      'ABORTED',
      'aborted before',
    );
    const silent = await fixture.subject.silentListener?.();
    if (silent === undefined) return;
    const controller = new AbortController();
    const connecting = transport.connect(silent.endpoint, { ...options, signal: controller.signal });
    await turns(10);
    const reason = new Error('too slow');
    controller.abort(reason);
    assert.equal((await rejects(connecting, 'ABORTED', 'an aborted connect')).cause, reason);
    await silent.close();
  });

  if (fixture.subject.silentListener !== undefined) {
    it('gives up connecting to somebody who does not answer', async () => {
      const silent = await fixture.subject.silentListener!();
      const { client } = fixture.contexts();
      const options = { ...fixture.subject.connectOptions, context: client, timeoutMs: 50 };
      const error = await rejects(
        transport.connect(silent.endpoint, options),
        'CONNECT_TIMEOUT',
        'a silent listener',
      );
      assert.ok(error.message.includes('50 ms'));
      await silent.close();
    });
  }
}
