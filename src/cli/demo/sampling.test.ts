import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Analysis } from './analysis.ts';
import { HostSampler } from './host-sampler.ts';
import {
  FrameKind,
  GENERATION,
  HOST_BYTES,
  HOST_COLUMNS,
  HostColumn,
  NAME_BYTES,
  PROCESS_BYTES,
} from './layout.ts';
import { ProcFile } from './proc-file.ts';
import { type ProcessSample, ProcessTable } from './process-table.ts';
import { SampleReader } from './sample-reader.ts';
import { SampleWriter } from './sample-writer.ts';

const AT = 24; // frames lie anywhere in a ring

function hostFrame(sequence: number, takenNs: number, columns = new Float64Array(HOST_COLUMNS)): Uint8Array {
  const bytes = new Uint8Array(AT + HOST_BYTES);
  const writer = new SampleWriter().wrap(bytes, AT);
  writer.header(FrameKind.HOST, 7, sequence);
  writer.host(columns);
  writer.takenAt(takenNs);
  return bytes;
}

describe('frames of the sensor', () => {
  it('carry every column of the host', () => {
    const columns = Float64Array.from({ length: HOST_COLUMNS }, (_, column) => column * 1e12 + 0.5);
    const reader = new SampleReader();
    assert.equal(reader.wrap(hostFrame(4_000_000_000, 123.5, columns), AT, HOST_BYTES), true);
    assert.deepEqual([reader.kind, reader.generation, reader.sequence, reader.takenNs], [1, 7, 4e9, 123.5]);
    const read = new Float64Array(HOST_COLUMNS);
    reader.host(read);
    assert.deepEqual(read, columns);
  });

  it('carry a process, its name cut to what the kernel keeps', () => {
    const sample: ProcessSample = {
      pid: 4_194_303,
      name: '((odd) name é) and more',
      state: 'S',
      threads: 12,
      cpuTicks: 3e9,
      residentBytes: 5e12,
      startedTicks: 9e15,
    };
    const bytes = new Uint8Array(AT + PROCESS_BYTES).fill(0xff);
    const writer = new SampleWriter().wrap(bytes, AT);
    writer.header(FrameKind.PROCESS, 1, 0);
    writer.process(sample);
    const reader = new SampleReader();
    assert.equal(reader.wrap(bytes, AT, PROCESS_BYTES), true);
    assert.deepEqual(reader.process, { ...sample, name: sample.name.slice(0, 15) });
  });

  it('are refused when they are of another kind, version or length', () => {
    const reader = new SampleReader();
    const good = hostFrame(0, 0);
    assert.equal(reader.wrap(good, AT, HOST_BYTES - 1), false);
    assert.equal(reader.wrap(good, AT, 8), false);
    for (const [at, value] of [
      [AT, 3],
      [AT + 1, 2],
    ] as const) {
      const bad = good.slice();
      bad[at] = value;
      assert.equal(reader.wrap(bad, AT, HOST_BYTES), false);
    }
    const named = new Uint8Array(AT + PROCESS_BYTES);
    new SampleWriter().wrap(named, AT).header(FrameKind.PROCESS, 1, 0);
    named[AT + NAME_BYTES] = 16;
    assert.equal(reader.wrap(named, AT, PROCESS_BYTES), false);
    assert.equal(GENERATION, 2);
  });
});

describe('Analysis', () => {
  it('counts a gap in the numbers as drops, and refuses a number that comes again', () => {
    const analysis = new Analysis();
    const sensor = analysis.sensor(1, 'shm', 1);
    for (const [sequence, taken] of [
      [0, true],
      [1, true],
      [5, true],
      [5, false],
      [4, false],
    ] as const)
      assert.equal(analysis.frame(sensor, hostFrame(sequence, 1e9), AT, HOST_BYTES, 1e9 + 500), taken);
    const report = analysis.report(1e9 + 1000, 5);
    assert.deepEqual([report.frames, report.dropped, report.malformed], [3, 3, 2]);
    assert.equal(report.latencyUs.run?.max, 0.5);
  });

  it('makes rates of what grows, over the last second', () => {
    const analysis = new Analysis();
    const sensor = analysis.sensor(1, 'shm', 1);
    const columns = new Float64Array(HOST_COLUMNS).fill(Number.NaN);
    for (let n = 0; n <= 8; n++) {
      columns[HostColumn.BUSY_TICKS] = n * 10;
      columns[HostColumn.TOTAL_TICKS] = n * 50;
      columns[HostColumn.RECEIVED_BYTES] = n * 1000;
      analysis.frame(sensor, hostFrame(n, n * 0.25e9, columns), AT, HOST_BYTES, n * 0.25e9);
    }
    const { host } = analysis.report(2e9, 0);
    assert.deepEqual([host.cpuPercent?.now, host.receivedBytesPerSecond?.mean], [20, 4000]);
    assert.equal(host.cpuPressurePercent, null, 'the kernel has no such file');
    assert.equal(host.memoryBytes, null);
  });
});

describe('sampling', () => {
  it('tells what /proc tells', () => {
    using sampler = new HostSampler();
    sampler.sample();
    const { columns } = sampler;
    assert.equal(columns[HostColumn.MEMORY_BYTES], totalmem());
    assert.ok(columns[HostColumn.BUSY_TICKS]! < columns[HostColumn.TOTAL_TICKS]!);
    const before = columns[HostColumn.CONTEXT_SWITCHES]!;
    const now = Number(/^ctxt (\d+)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1]);
    assert.ok(before <= now && before > now - 1e7);
    const first = columns[HostColumn.TOTAL_TICKS]!;
    sampler.sample();
    assert.ok(columns[HostColumn.TOTAL_TICKS]! >= first, 'it is read anew');
  });

  it('comes across this process, and every other', () => {
    const table = new ProcessTable();
    const pids = new Set<number>();
    let own: ProcessSample | undefined;
    for (let sample = table.next(0); sample !== undefined && !pids.has(sample.pid); sample = table.next(0)) {
      pids.add(sample.pid);
      if (sample.pid === process.pid) own = sample;
    }
    assert.ok(pids.has(process.ppid));
    assert.ok(own !== undefined && own.threads > 1 && own.residentBytes > 1e7 && own.residentBytes < 1e10);
  });

  it('reads a file of /proc that is longer than its buffer, and finds numbers in it', () => {
    const directory = mkdtempSync(join(tmpdir(), 'tendon-proc-'));
    const path = join(directory, 'file');
    writeFileSync(path, `first: 1 22\n${'x'.repeat(20_000)}\nlast 333`);
    using file = new ProcFile(path);
    file.read();
    assert.equal(file.textBefore(':'), 'first');
    assert.deepEqual([file.number(), file.number()], [1, 22]);
    assert.equal(file.find('nothing'), false);
    assert.equal(file.find('\nlast'), true);
    assert.equal(file.number(), 333);
    assert.ok(Number.isNaN(file.number()));
    rmSync(directory, { recursive: true });
  });
});
