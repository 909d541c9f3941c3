import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { closeSync, createReadStream, openSync, readFileSync, writeSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { SeededRandom } from 'tendon/testing';
import { Place } from './command.ts';

const MIB = 1024 * 1024;
/** a GiB under TENDON_TORTURE */
const FILE_BYTES = (process.env['TENDON_TORTURE'] === '1' ? 1024 : 256) * MIB;
const SMALL_BYTES = 16 * MIB + 12_345;

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path, { highWaterMark: MIB })) hash.update(piece as Uint8Array);
  return hash.digest('hex');
}

/** A block of random bytes again and again, each time with its number in front: no two of them are equal. */
function makeFile(path: string, bytes: number): void {
  const random = new SeededRandom(20);
  const block = Buffer.alloc(MIB);
  for (let at = 0; at < MIB; at += 4) block.writeUInt32LE(random.uint32(), at);
  const fd = openSync(path, 'w');
  for (let left = bytes, number = 0; left > 0; left -= MIB, number++) {
    block.writeUInt32LE(number, 0);
    writeSync(fd, block, 0, Math.min(left, MIB));
  }
  closeSync(fd);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe('tendon send and tendon receive', () => {
  const place = new Place();
  const big = join(place.directory, 'big');
  const small = join(place.directory, 'small');
  const arrived = join(place.directory, 'arrived');
  before(() => {
    makeFile(big, FILE_BYTES);
    makeFile(small, SMALL_BYTES);
  });
  after(() => place.remove());

  async function pipe(from: string, sendArgs: string[], receiveArgs: string[]) {
    const input = openSync(from, 'r');
    const output = openSync(arrived, 'w');
    const receiver = place.start(['receive', ...receiveArgs], { stdout: output });
    const sender = place.start(['send', ...sendArgs], { stdin: input });
    closeSync(input);
    closeSync(output);
    return { sent: await sender.ended, received: await receiver.ended };
  }

  it(`carries ${FILE_BYTES / MIB} MiB over shm: byte-identical, and says over what`, async () => {
    const { sent, received } = await pipe(big, ['shm:pipe'], ['shm:pipe']);
    assert.deepEqual([sent.how, received.how], [0, 0], sent.stderr + received.stderr);
    assert.equal(await sha256(arrived), await sha256(big));
    assert.match(sent.stderr, new RegExp(`^sent ${FILE_BYTES} bytes .*over shm\n$`));
    assert.match(received.stderr, new RegExp(`^received ${FILE_BYTES} bytes .*over shm\n$`));
    await place.assertEmpty();
  });

  it('carries a file over unix and tcp, whichever side listens', async () => {
    const unix = `unix:${join(place.directory, 'pipe.sock')}`;
    const tcp = `tcp://127.0.0.1:${await freePort()}`;
    const ways: [string[], string[]][] = [
      [
        [unix, '-q'],
        [unix, '-q'],
      ],
      [
        [tcp, '--listen', '-q'],
        [tcp, '--connect', '-q'],
      ],
      [
        ['auto:pipe', '--chunk', '1000', '-q'],
        ['auto:pipe', '--listen', '-q'],
      ],
    ];
    for (const [sendArgs, receiveArgs] of ways) {
      const { sent, received } = await pipe(small, sendArgs, receiveArgs);
      assert.deepEqual(sent, { how: 0, stdout: '', stderr: '' });
      assert.deepEqual(received, { how: 0, stdout: '', stderr: '' });
      assert.equal(await sha256(arrived), await sha256(small), sendArgs[0]);
    }
    await place.assertEmpty();
  });

  it('carries an empty file', async () => {
    const { sent, received } = await pipe('/dev/null', ['shm:pipe', '-q'], ['shm:pipe', '-q']);
    assert.deepEqual([sent.how, received.how, readFileSync(arrived).length], [0, 0, 0]);
  });

  it('makes the sender wait while the reader of the output does not read', async () => {
    const receiver = place.start(['receive', 'shm:slow', '-q'], { stdout: 'pipe' });
    const input = openSync(big, 'r');
    const sender = place.start(['send', 'shm:slow', '-q'], { stdin: input });
    closeSync(input);
    await sleep(1_000); // time enough to send it all, were nobody to hold it back
    assert.equal(sender.child.exitCode, null);
    const hash = createHash('sha256');
    for await (const piece of receiver.child.stdout!) hash.update(piece as Uint8Array);
    assert.equal(hash.digest('hex'), await sha256(big));
    assert.deepEqual([(await sender.ended).how, (await receiver.ended).how], [0, 0]);
    await place.assertEmpty();
  });

  it('ends both sides, each with its own exit code, when the reader of the output goes away', async () => {
    const receiver = place.start(['receive', 'shm:gone', '-q'], { stdout: 'pipe' });
    const input = openSync(big, 'r');
    const sender = place.start(['send', 'shm:gone', '-q'], { stdin: input });
    closeSync(input);
    const output = receiver.child.stdout!;
    await new Promise((resolve) => output.once('data', resolve));
    output.destroy();
    const [sent, received] = [await sender.ended, await receiver.ended];
    assert.equal(received.how, 141);
    assert.equal(received.stderr, '');
    assert.equal(sent.how, 1);
    assert.match(sent.stderr, /^CONNECTION_CLOSED: shm:gone: the receiver stopped before it had everything/);
    await place.assertEmpty();
  });

  for (const endpoint of ['shm:killed', 'unix']) {
    it(`tells the survivor over ${endpoint.split(':')[0]} when the other side is killed in the middle`, async () => {
      const at = endpoint === 'unix' ? `unix:${join(place.directory, 'killed.sock')}` : endpoint;
      for (const victim of ['receiver', 'sender'] as const) {
        const receiver = place.start(['receive', at, '-q'], { stdout: 'pipe' });
        const sender = place.start(['send', at, '-q'], { stdin: 'pipe' });
        const output = receiver.child.stdout!;
        let receivedBytes = 0;
        output.on('data', (piece: Uint8Array) => {
          receivedBytes += piece.length;
        });
        sender.child.stdin!.on('error', () => {}); // its reader is killed
        sender.child.stdin!.write(Buffer.alloc(MIB, 7));
        await place.until('a megabyte went through', () => receivedBytes === MIB);
        const [dead, survivor] = victim === 'receiver' ? [receiver, sender] : [sender, receiver];
        dead.child.kill('SIGKILL');
        assert.equal((await dead.ended).how, 'SIGKILL');
        const { how, stderr } = await survivor.ended;
        assert.equal(how, 1, victim);
        assert.match(stderr, /^CONNECTION_LOST: /, victim);
      }
      await place.assertEmpty();
    });
  }

  it('says when nobody listens, and ends on Ctrl-C while it waits', async () => {
    const { how, stderr } = await place.run(['send', 'shm:nobody', '--wait', '0.2']);
    assert.equal(how, 1);
    assert.match(stderr, /^ENDPOINT_NOT_FOUND: nobody listens at shm:nobody.*\n {2}what to do: /);
    const receiver = place.start(['receive', 'shm:waiting']);
    await place.until('it listens', () => place.sockets.length > 0);
    receiver.child.kill('SIGTERM');
    assert.equal((await receiver.ended).how, 'SIGTERM');
    await place.assertEmpty();
  });
});
