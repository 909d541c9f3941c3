import { checkSealedMemfd, closeFd, createMemfd, Mapping, pageSize } from '../../os/index.ts';
import { type RingWaiter, type SpscConsumer, type SpscProducer, SpscRing } from '../../ring/index.ts';
import { type MemoryOffer, protocolError } from './protocol.ts';

/** The rings of a channel as one end sees them. */
export interface ChannelMemory {
  readonly mapping: Mapping;
  readonly outgoing: SpscProducer;
  readonly incoming: SpscConsumer;
}

const RING_BYTES_MIN = 4096;

function roundUp(bytes: number, unit: number): number {
  return Math.ceil(bytes / unit) * unit;
}

/**
 * Lays out the memory of a channel: the client's ring, then the listener's, each from a page of its own.
 *
 * @param ringBytes capacity of each ring, a power of two
 */
export function planMemory(ringBytes: number): MemoryOffer {
  const page = pageSize();
  const each = roundUp(SpscRing.bytesNeeded(ringBytes), page);
  return { bytes: 2 * each, upOffset: 0, upRingBytes: ringBytes, downOffset: each, downRingBytes: ringBytes };
}

/**
 * The listener's side: makes the sealed memfd and both rings in it.
 *
 * @returns the memory, and its descriptor for the client (the caller closes it)
 * @throws TendonError RESOURCE_EXHAUSTED, SYSTEM_ERROR; nothing is left behind then
 */
export function createChannelMemory(
  plan: MemoryOffer,
  waiter: RingWaiter,
): { readonly memory: ChannelMemory; readonly fd: number } {
  const fd = createMemfd('tendon-channel', plan.bytes, { seal: 'size' });
  let mapping: Mapping | undefined;
  try {
    mapping = Mapping.map(fd, { bytes: plan.bytes, writable: true, prefault: true });
    const up = SpscRing.format({
      memory: mapping.buffer,
      byteOffset: plan.upOffset,
      capacityBytes: plan.upRingBytes,
    });
    const down = SpscRing.format({
      memory: mapping.buffer,
      byteOffset: plan.downOffset,
      capacityBytes: plan.downRingBytes,
    });
    return { fd, memory: { mapping, outgoing: down.producer(waiter), incoming: up.consumer(waiter) } };
  } catch (error) {
    mapping?.close();
    closeFd(fd);
    throw error;
  }
}

/**
 * The client's side: checks what it was handed before it maps it, and maps it. Always closes `fd`.
 *
 * @throws TendonError PROTOCOL_ERROR for an impossible layout; REGION_UNSAFE for memory that the other side could
 *   take away or that is no plain memfd; REGION_CORRUPT; RESOURCE_EXHAUSTED or SYSTEM_ERROR when it cannot be mapped
 */
export function openChannelMemory(
  plan: MemoryOffer,
  fd: number,
  waiter: RingWaiter,
  endpoint: string,
): ChannelMemory {
  let mapping: Mapping | undefined;
  try {
    checkPlan(plan, endpoint);
    checkSealedMemfd(fd, plan.bytes);
    mapping = Mapping.map(fd, { bytes: plan.bytes, writable: true, prefault: true });
    const memory = mapping.buffer;
    const up = SpscRing.attach({ memory, byteOffset: plan.upOffset, capacityBytes: plan.upRingBytes });
    const down = SpscRing.attach({ memory, byteOffset: plan.downOffset, capacityBytes: plan.downRingBytes });
    return { mapping, outgoing: up.producer(waiter), incoming: down.consumer(waiter) };
  } catch (error) {
    mapping?.close();
    throw error;
  } finally {
    closeFd(fd);
  }
}

/** Both rings are powers of two, lie within the memory, aligned, and do not overlap. */
function checkPlan(plan: MemoryOffer, endpoint: string): void {
  const powerOfTwo = (bytes: number): boolean =>
    bytes >= RING_BYTES_MIN && bytes <= 2 ** 30 && Number.isInteger(Math.log2(bytes));
  const fits =
    plan.bytes <= 2 ** 31 &&
    powerOfTwo(plan.upRingBytes) &&
    powerOfTwo(plan.downRingBytes) &&
    plan.upOffset % 64 === 0 &&
    plan.downOffset % 64 === 0 &&
    plan.upOffset + SpscRing.bytesNeeded(plan.upRingBytes) <= plan.downOffset &&
    plan.downOffset + SpscRing.bytesNeeded(plan.downRingBytes) <= plan.bytes;
  if (!fits) throw protocolError(endpoint, `MEMORY with an impossible layout: ${JSON.stringify(plan)}`);
}

export function closeChannelMemory(memory: ChannelMemory): void {
  memory.outgoing.close();
  memory.incoming.close();
  memory.mapping.close();
}
