export { type FaultCounts, FaultyLink, type FaultyLinkOptions } from './faulty-link.ts';
export { assertNumbered, fillNumbered, numberedFrame } from './frames.ts';
export { SeededRandom } from './random.ts';
export { type TransportUnderTest, transportContract } from './transport-contract/index.ts';
export { VirtualClock } from './virtual-clock.ts';
export { DEADLINE_MS, turns, until, within } from './wait.ts';
