export { registerDemo } from './command.ts';
export type { DemoSummary, Recovery } from './summary.ts';
