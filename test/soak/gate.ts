import { setTimeout as sleep } from 'node:timers/promises';

/** Holds traffic while the parent takes stock. */
export class Gate {
  closed = false;
  /** loops that stand before it */
  waiting = 0;

  async pass(): Promise<void> {
    if (!this.closed) return;
    this.waiting++;
    while (this.closed) await sleep(5);
    this.waiting--;
  }
}
