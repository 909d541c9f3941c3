import type { TendonError } from '../../core/index.ts';
import type { RingWaiter } from '../../ring/index.ts';
import type { FrameHandler } from '../contract.ts';
import type { LifeLine } from './life-line.ts';

export class BroadcastReaders {
  readonly count = 0;
  readonly frames = 0;
  readonly bytes = 0;
  readonly failure: TendonError | undefined = undefined;
  constructor(_endpoint: string, _waiter: RingWaiter) {}
  add(_body: Uint8Array, _line: LifeLine): Uint8Array {
    return new Uint8Array(0);
  }
  end(_id: number): void {}
  poll(_handler: FrameHandler, _limit: number): number {
    return 0;
  }
  hasUnread(): boolean {
    return false;
  }
  park(): boolean {
    return true;
  }
  unpark(): void {}
  close(): void {}
}
