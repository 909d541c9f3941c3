export { BroadcastReader } from './broadcast-reader.ts';
export {
  type BroadcastFormatOptions,
  type BroadcastPolicy,
  type BroadcastReaderOptions,
  BroadcastRing,
} from './broadcast-ring.ts';
export {
  type BroadcastCursor,
  type BroadcastCursorOptions,
  BroadcastWriter,
  type BroadcastWriterOptions,
  type EvictionReason,
} from './broadcast-writer.ts';
export type { RingFormatOptions, RingOptions } from './control-block.ts';
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
export { type Liveness, MpscConsumer } from './mpsc-consumer.ts';
export { MpscProducer } from './mpsc-producer.ts';
export { type MpscProducerOptions, MpscRing } from './mpsc-ring.ts';
export { EMPTY, type RecordHandler, SpscConsumer } from './spsc-consumer.ts';
export { SpscProducer } from './spsc-producer.ts';
export { SpscRing } from './spsc-ring.ts';
export type { RingWaiter } from './waiter.ts';
