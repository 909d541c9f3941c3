import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cells, styleFor } from '../terminal/index.ts';
import { Analysis } from './analysis.ts';
import type { DemoState } from './demo.ts';
import { HOST_BYTES, HOST_COLUMNS, PROCESS_BYTES } from './layout.ts';
import { liveView } from './live-view.ts';
import { PlainView } from './plain-view.ts';
import { SampleWriter } from './sample-writer.ts';

const PLAIN = styleFor({ isTTY: false }, {});
const COLOURED = styleFor({ isTTY: true }, {});

function stateAt(seconds: number): DemoState {
  const analysis = new Analysis();
  const sensor = analysis.sensor(4_194_303, 'shm', 1);
  const bytes = new Uint8Array(HOST_BYTES);
  const writer = new SampleWriter();
  for (let n = 0; n < 200; n++) {
    writer.wrap(bytes, 0).header(1, 1, 2 * n);
    writer.host(Float64Array.from({ length: HOST_COLUMNS }, (_, column) => n * (column + 1) * 12_345));
    writer.takenAt(n * 0.1e9);
    analysis.frame(sensor, bytes, 0, HOST_BYTES, n * 0.1e9 + 45_000);
    writer.wrap(bytes, 0).header(2, 1, 2 * n + 1);
    writer.process({
      pid: 1 + (n % 30),
      name: `name \u001b[31m ${n % 30}`,
      state: 'S',
      threads: 3,
      cpuTicks: n,
      residentBytes: 1e8,
      startedTicks: 5,
    });
    analysis.frame(sensor, bytes, 0, PROCESS_BYTES, n * 0.1e9 + 45_000);
  }
  return {
    seconds,
    ofSeconds: 12,
    report: analysis.report(20e9, 20),
    sensor: { pid: 4_194_303, transport: 'shm' },
    analyserPid: 2,
    callsTransport: 'unix',
    restarts: 1,
    calls: 12,
    failedCalls: 1,
    callP50Us: 310,
    events: Array.from({ length: 9 }, (_, n) => ({ atSeconds: n, tone: 'good', text: `event ${n}` })),
  };
}

describe('the live picture of the demo', () => {
  it('fits a terminal of 80 by 24 with everything on it, and shows more where there is more room', () => {
    const small = liveView(stateAt(6), 80, 24, PLAIN);
    assert.equal(small.length, 24);
    for (const line of small) assert.ok(cells(line) <= 80, `${cells(line)}: ${line}`);
    const text = small.join('\n');
    for (const wanted of [
      /6\.0 of 12 s/,
      /sensor 4194303 ━ shm ━▶ analyser 2 ━ unix ━▶ viewer/,
      /latency +p50 45\.\d us/,
      /0 dropped/,
      /1 restart/,
      /1 failed/,
      /cpu busy/,
      /cpu pressure/,
      /busiest of 30 processes/,
      /event 8$/,
    ])
      assert.match(text, wanted);
    const large = liveView(stateAt(6), 120, 40, PLAIN);
    assert.ok(large.length > small.length && large.length <= 40);
    assert.deepEqual(
      liveView(stateAt(6), 120, 40, COLOURED).map(cells),
      large.map(cells),
      'colours take no room',
    );
  });

  it('does not pass on what names of processes would do to the terminal', () => {
    assert.equal(liveView(stateAt(1), 80, 24, PLAIN).join('').includes('\u001b'), false);
  });

  it('is a line a second without a terminal, and every event once', () => {
    const lines: string[] = [];
    const view = new PlainView((line) => lines.push(line));
    for (const seconds of [0, 0.9, 1.1, 1.3, 2.2]) view.show(stateAt(seconds));
    assert.equal(lines.filter((line) => /samples\/s over shm, latency p50 45/.test(line)).length, 2);
    assert.equal(lines.filter((line) => /event \d/.test(line)).length, 9);
  });
});
