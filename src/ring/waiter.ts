/**
 * What rings when the other side is parked: a doorbell on a socket, a futex, `Atomics.notify`. A ring knows no more.
 *
 * It is called at most once for each time the other side parked, after the word that it waits for was published,
 * on the thread that published. It must not block and must not throw.
 */
export interface RingWaiter {
  notify(): void;
}

/** For sides that never park: both poll. */
export const NO_WAITER: RingWaiter = { notify: () => {} };
