import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { TendonError } from '../core/index.ts';
import { hostEndpoint, parseEndpoint } from './endpoint.ts';

describe('parseEndpoint', () => {
  it('takes the three forms apart', () => {
    assert.deepEqual(parseEndpoint('shm:camera-1'), {
      form: 'name',
      scheme: 'shm',
      name: 'camera-1',
      url: 'shm:camera-1',
    });
    assert.deepEqual(parseEndpoint('unix:/run/a b:c.sock'), {
      form: 'path',
      scheme: 'unix',
      path: '/run/a b:c.sock',
      url: 'unix:/run/a b:c.sock',
    });
    for (const [url, host, port] of [
      ['tcp://127.0.0.1:7000', '127.0.0.1', 7000],
      ['tcp://some.host:0', 'some.host', 0],
      ['tcp://[::1]:65535', '::1', 65_535],
      ['tcp://[fe80::1%eth0]:80', 'fe80::1%eth0', 80],
    ] as const) {
      assert.deepEqual(parseEndpoint(url), { form: 'host', scheme: 'tcp', host, port, url });
      assert.equal(hostEndpoint('tcp', host, port), url);
    }
  });

  it('refuses what is none, and says what it should look like', () => {
    for (const [url, hint] of [
      ['', 'shm:'],
      ['camera', 'shm:'],
      ['http://host:80', 'tcp:'],
      ['shm:', 'shm:camera-1'],
      ['shm:.hidden', 'shm:camera-1'],
      ['shm:-x', 'shm:camera-1'],
      ['shm:a/b', 'shm:camera-1'],
      ['shm:../up', 'shm:camera-1'],
      [`shm:${'x'.repeat(64)}`, '63'],
      ['inproc:ü', 'inproc:camera-1'],
      ['unix:relative.sock', '/run/app.sock'],
      ['unix://host/path', '/run/app.sock'],
      ['unix:/a\0b', 'zero byte'],
      ['tcp:host:80', 'tcp://127.0.0.1:7000'],
      ['tcp://host', 'tcp://127.0.0.1:7000'],
      ['tcp://host:', 'tcp://127.0.0.1:7000'],
      ['tcp://host:65536', 'tcp://127.0.0.1:7000'],
      ['tcp://host:-1', 'tcp://127.0.0.1:7000'],
      ['tcp://::1:80', 'tcp://[::1]:7000'],
      ['tcp://user@host:80', 'tcp://127.0.0.1:7000'],
      ['tcp://host:80/path', 'tcp://127.0.0.1:7000'],
    ] as const) {
      assert.throws(
        () => parseEndpoint(url),
        (error) => TendonError.is(error, 'ENDPOINT_INVALID') && error.message.includes(hint),
        `"${url}"`,
      );
    }
  });

  it('throws nothing but ENDPOINT_INVALID, whatever it is given', () => {
    const scheme = fc.constantFrom('shm:', 'unix:', 'unix:/', 'tcp://', 'tcp://[', 'inproc:', 'auto:', '');
    fc.assert(
      fc.property(scheme, fc.string(), (prefix, rest) => {
        try {
          assert.equal(parseEndpoint(prefix + rest).url, prefix + rest);
        } catch (error) {
          assert.ok(TendonError.is(error, 'ENDPOINT_INVALID'));
        }
      }),
    );
  });
});
