import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TendonError } from '../core/index.ts';
import { closeFd, createEventFd, eventFdDrain, eventFdSignal } from './index.ts';

describe('eventfd', () => {
  it('counts signals and is empty once drained', () => {
    const fd = createEventFd();
    assert.equal(eventFdDrain(fd), 0);
    assert.equal(eventFdSignal(fd), true);
    assert.equal(eventFdSignal(fd), true);
    assert.equal(eventFdDrain(fd), 2);
    assert.equal(eventFdDrain(fd), 0);
    closeFd(fd);
  });

  it('starts with the count asked for', () => {
    const fd = createEventFd(41);
    eventFdSignal(fd);
    assert.equal(eventFdDrain(fd), 42);
    closeFd(fd);
  });

  it('reports descriptors that are closed or none', () => {
    const fd = createEventFd();
    closeFd(fd);
    for (const call of [eventFdSignal, eventFdDrain]) {
      assert.throws(
        () => call(fd),
        (error: unknown) => TendonError.is(error, 'SYSTEM_ERROR') && error.details.errnoCode === 'EBADF',
      );
      assert.throws(
        () => call(-1),
        (error: unknown) => TendonError.is(error, 'OPTION_INVALID'),
      );
    }
    assert.throws(
      () => createEventFd(-1),
      (error: unknown) => TendonError.is(error, 'OPTION_INVALID'),
    );
  });
});
