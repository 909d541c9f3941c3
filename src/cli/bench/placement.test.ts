import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cpusFor, nodeCommand, parseCpuList } from './placement.ts';

describe('placement', () => {
  it('reads the list of processors as the kernel writes it', () => {
    assert.deepEqual(parseCpuList('0'), [0]);
    assert.deepEqual(parseCpuList('0-2,5,8-9'), [0, 1, 2, 5, 8, 9]);
  });

  it('puts both sides on one processor, on two, or anywhere', () => {
    assert.deepEqual(cpusFor('one-core', [3, 4]), { initiator: 3, responder: 3 });
    assert.deepEqual(cpusFor('two-cores', [3, 4]), { initiator: 3, responder: 4 });
    assert.deepEqual(cpusFor('free', [3, 4]), { initiator: undefined, responder: undefined });
  });

  it('starts Node through taskset only where it is pinned', () => {
    assert.deepEqual(nodeCommand(undefined), [process.execPath]);
    assert.deepEqual(nodeCommand(1), ['taskset', '-c', '1', process.execPath]);
  });
});
