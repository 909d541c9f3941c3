import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { judgeFloors } from './floors.ts';
import type { BenchFloor, BenchResult } from './report.ts';

function row(subject: string, median: number, more: Partial<BenchResult>): BenchResult {
  return {
    workload: 'throughput',
    bytes: 64,
    metric: 'rate',
    unit: 'messages/s',
    rounds: 1,
    values: [median],
    min: median,
    max: median,
    faults: 0,
    ...more,
    subject,
    median,
  };
}

function verdictOf(id: string, results: readonly BenchResult[]): BenchFloor {
  const floor = judgeFloors(results).find((candidate) => candidate.id === id);
  assert.ok(floor, id);
  return floor;
}

describe('floors', () => {
  it('are not measured when nothing was', () => {
    for (const floor of judgeFloors([])) assert.equal(floor.verdict, 'not measured', floor.id);
  });

  it('are met at the promised figure and missed below it', () => {
    const at = verdictOf('one-way-64-copied', [row('shm', 6e6, {})]);
    assert.equal(at.verdict, 'met');
    assert.equal(at.measured, 6);
    assert.equal(verdictOf('one-way-64-copied', [row('shm', 5.9e6, {})]).verdict, 'missed');
  });

  it('compare subjects of one case', () => {
    const verified = { verified: true };
    const results = [
      row('shm', 1, verified),
      row('zeromq', 9, verified),
      row('shm', 30, {}),
      row('zeromq', 1, {}),
    ];
    assert.equal(verdictOf('one-way-64-of-zeromq', results).measured, 30);
  });

  it('count the smaller as the better for durations', () => {
    const parked = {
      workload: 'latency',
      mode: 'park',
      placement: 'one-core',
      metric: 'p50',
      unit: 'us',
    } as const;
    const id = 'round-trip-parked-one-core';
    assert.equal(verdictOf(id, [row('shm', 20, parked), row('net', 40, parked)]).verdict, 'met');
    assert.equal(verdictOf(id, [row('shm', 30, parked), row('net', 40, parked)]).verdict, 'missed');
  });

  it('compare large messages with the best peer that crosses processes', () => {
    const large = { bytes: 65_536, metric: 'bandwidth', unit: 'GB/s' } as const;
    const results = [
      row('shm', 8, large),
      row('shm-in-place', 12, large),
      row('net', 1, large),
      row('net-corked', 2, large),
      row('MessagePort', 100, large),
      row('c-ring', 100, large),
    ];
    assert.equal(verdictOf('one-way-65536', results).measured, 12);
    assert.equal(verdictOf('one-way-65536-of-peers', results).measured, 6);
  });

  it('do not count a figure with faults', () => {
    assert.equal(verdictOf('one-way-64-copied', [row('shm', 9e6, { faults: 1 })]).verdict, 'not measured');
  });
});
