import { integerOption } from '../core/index.ts';
import { native } from './native.ts';
import { systemFailure } from './system-error.ts';

/** The largest count an eventfd is made with. */
const MAX_INITIAL = 0xffff_ffff;

/**
 * A counter that the event loop can watch, to wake one thread from another of the same process. Never hand it to
 * a peer: it could clear the non-blocking flag and saturate the counter, and our signal would block for ever.
 *
 * @returns a descriptor that the caller closes
 */
export function createEventFd(initial = 0): number {
  integerOption('initial', initial, 0, MAX_INITIAL);
  try {
    return native().createEventFd(initial);
  } catch (error) {
    throw systemFailure(error, 'create an eventfd');
  }
}

/** Adds one; false when the counter is saturated, which wakes just as well. @hot */
export function eventFdSignal(fd: number): boolean {
  try {
    return native().signalEventFd(fd);
  } catch (error) {
    throw systemFailure(error, `signal the eventfd ${fd}`);
  }
}

/** Takes the count, which is 0 afterwards. @hot */
export function eventFdDrain(fd: number): number {
  try {
    return native().drainEventFd(fd);
  } catch (error) {
    throw systemFailure(error, `drain the eventfd ${fd}`);
  }
}
