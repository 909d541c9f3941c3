import { type Command, InvalidArgumentError } from 'commander';
import { Interrupt } from '../interrupt.ts';
import { type Environment, Screen, styleFor } from '../terminal/index.ts';
import { Demo, type DemoState } from './demo.ts';
import { liveView } from './live-view.ts';
import { PlainView } from './plain-view.ts';
import { summaryText } from './summary-text.ts';

const DEMO_DEFAULTS = { seconds: 12, rate: 1000 } as const;
const LEAST_SECONDS = 2;
const MAX_RATE = 100_000;
const MAX_BUSIEST = 20;

interface Flags {
  readonly duration: number;
  readonly rate: number;
  readonly json?: boolean;
}

/** Adds `tendon demo` to the program. */
export function registerDemo(program: Command): void {
  program
    .command('demo')
    .description('three processes on live data of this host: watch them, and watch one being killed')
    .option('--duration <seconds>', `how long, at least ${LEAST_SECONDS}`, seconds, DEMO_DEFAULTS.seconds)
    .option('--rate <n>', 'samples a second, or "max"', rate, DEMO_DEFAULTS.rate)
    .option('--json', 'print the summary as JSON and nothing else')
    .action((flags: Flags) => runDemo(flags, process.env));
}

async function runDemo(flags: Flags, environment: Environment): Promise<void> {
  const { stdout } = process;
  const style = styleFor(stdout, environment);
  const live = stdout.isTTY && flags.json !== true && environment['TERM'] !== 'dumb';
  using interrupt = new Interrupt();
  const plain = new PlainView((line) => stdout.write(`${line}\n`));
  const run = (show: (state: DemoState) => void) =>
    Demo.run({
      seconds: flags.duration,
      rate: flags.rate,
      busiest: MAX_BUSIEST,
      signal: interrupt.signal,
      show,
    });
  const runOnScreen = async () => {
    using screen = new Screen(stdout);
    return await run((state) => screen.draw(liveView(state, screen.columns, screen.rows, style)));
  };
  const summary = live
    ? await runOnScreen()
    : await run(flags.json ? () => {} : (state) => plain.show(state));
  stdout.write(flags.json ? `${JSON.stringify(summary, null, 2)}\n` : summaryText(summary, style));
  process.exitCode = summary.interrupted ? interrupt.exitCode : summary.ok ? 0 : 1;
}

function seconds(value: string): number {
  const parsed = Number(value);
  if (parsed >= LEAST_SECONDS && Number.isFinite(parsed)) return parsed;
  throw new InvalidArgumentError(`It must be a number of seconds of at least ${LEAST_SECONDS}.`);
}

function rate(value: string): number {
  if (value === 'max') return 0;
  const parsed = Number(value);
  if (parsed > 0 && parsed <= MAX_RATE) return parsed;
  throw new InvalidArgumentError(`It must be above 0 and at most ${MAX_RATE}, or "max".`);
}
