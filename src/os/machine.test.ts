import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { TendonError } from '../core/index.ts';
import { availableCpus, cpuAffinity, hugePageSize, nativeStatus, pageSize, setCpuAffinity } from './index.ts';

const allowed = (task: string) =>
  /^Cpus_allowed_list:\s+(.*)$/m.exec(readFileSync(`/proc/self/task/${task}/status`, 'latin1'))?.[1];

describe('machine', () => {
  it('has the addon it was built with', () => {
    const status = nativeStatus();
    assert.ok(status.available, 'run: node scripts/install-addon.mjs');
    assert.match(status.path, /\.node$/);
  });

  it('knows its page sizes', () => {
    assert.ok(pageSize() >= 4096 && Number.isInteger(Math.log2(pageSize())));
    const huge = hugePageSize();
    assert.ok(huge === undefined || huge > pageSize());
  });

  it('pins every thread of the process, or only this one, and unpins', () => {
    const cpus = cpuAffinity();
    assert.equal(availableCpus(), cpus.length);
    const first = cpus[0]!;
    try {
      setCpuAffinity([first], 'thread');
      assert.deepEqual(cpuAffinity(), [first]);
      setCpuAffinity([first]);
      for (const task of readdirSync('/proc/self/task')) assert.equal(allowed(task), String(first));
    } finally {
      setCpuAffinity(cpus);
    }
    assert.deepEqual(cpuAffinity(), cpus);
  });

  it('refuses processors that are none', () => {
    for (const cpus of [[], [-1], [0.5], [8192], ['0' as never]]) {
      assert.throws(
        () => setCpuAffinity(cpus),
        (error: unknown) => TendonError.is(error, 'OPTION_INVALID'),
      );
    }
    assert.throws(() => setCpuAffinity([8191]), /EINVAL/);
  });
});
