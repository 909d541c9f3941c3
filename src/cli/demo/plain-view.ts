import { figures, styleFor } from '../terminal/index.ts';
import type { DemoState } from './demo.ts';
import { eventLine } from './live-view.ts';

const LINE_EVERY_SECONDS = 1;
const PLAIN = styleFor({ isTTY: false }, {});

/** A run without a terminal: a line a second, and each event as it comes. */
export class PlainView {
  readonly #write: (line: string) => void;
  #nextSeconds = LINE_EVERY_SECONDS;
  #eventsShown = 0;

  constructor(write: (line: string) => void) {
    this.#write = write;
  }

  show(state: DemoState): void {
    for (const event of state.events.slice(this.#eventsShown)) this.#write(eventLine(event, PLAIN));
    this.#eventsShown = state.events.length;
    if (state.seconds < this.#nextSeconds) return;
    this.#nextSeconds = Math.floor(state.seconds) + LINE_EVERY_SECONDS;
    this.#write(statusLine(state));
  }
}

function statusLine({ seconds, report, sensor, restarts }: DemoState): string {
  const { recent } = report.latencyUs;
  const { cpuPercent, memoryUsedBytes, receivedBytesPerSecond, sentBytesPerSecond, cpuPressurePercent } =
    report.host;
  const parts = [
    `${figures.count(report.framesPerSecond)} samples/s over ${sensor.transport}`,
    recent === null
      ? 'no samples lately'
      : `latency p50 ${figures.microseconds(recent.p50)} p99 ${figures.microseconds(recent.p99)} max ${figures.microseconds(recent.max)}`,
    cpuPercent && `cpu ${figures.percent(cpuPercent.now)}`,
    memoryUsedBytes && `memory ${figures.bytes(memoryUsedBytes.now)}`,
    receivedBytesPerSecond &&
      sentBytesPerSecond &&
      `net ${figures.bytes(receivedBytesPerSecond.now)}/s in ${figures.bytes(sentBytesPerSecond.now)}/s out`,
    cpuPressurePercent && `pressure ${figures.percent(cpuPressurePercent.now)}`,
    `dropped ${report.dropped}`,
    `restarts ${restarts}`,
  ];
  return `${seconds.toFixed(1).padStart(5)} s  ${parts.filter((part) => part !== null).join(', ')}`;
}
