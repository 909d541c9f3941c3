export {
  FIRST,
  FIRST_HEADER_BYTES,
  FRAME,
  FrameReader,
  LAST,
  MARKER,
  MIDDLE,
  type RingFrameHandler,
  writeFrame,
} from './frame-ring.ts';
export { CAPACITY_DEFAULT, CAPACITY_MAX, CAPACITY_MIN } from './layout.ts';
export { EMPTY, type RecordHandler, SpscConsumer } from './spsc-consumer.ts';
export { SpscProducer } from './spsc-producer.ts';
export { type SpscFormatOptions, SpscRing, type SpscRingOptions } from './spsc-ring.ts';
export type { RingWaiter } from './waiter.ts';
