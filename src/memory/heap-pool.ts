import { refuseUnknownOptions } from '../core/index.ts';
import { type BufferClassOptions, ClassedPool, PoolClass, resolveClasses } from './buffer-pool.ts';

export interface HeapPoolOptions {
  readonly classes: readonly BufferClassOptions[];
}

class HeapClass extends PoolClass {
  /** blocks made so far; the rest are made when first needed */
  readonly made: ArrayBuffer[] = [];
  readonly free: number[] = [];
}

/** A pool for one thread: blocks are ArrayBuffers of their own, made when first needed and kept for the next loan. */
export class HeapPool extends ClassedPool<HeapClass> {
  /** @throws TendonError OPTION_INVALID */
  constructor(options: HeapPoolOptions) {
    refuseUnknownOptions('HeapPool', options, ['classes']);
    super(resolveClasses(options.classes).map((each) => new HeapClass(each)));
  }

  protected override take(from: HeapClass): number {
    const block = from.free.pop();
    if (block !== undefined) return block;
    if (from.made.length === from.blocks) return -1;
    return from.made.push(new ArrayBuffer(from.blockBytes)) - 1;
  }

  protected override view(from: HeapClass, block: number, bytes: number): Uint8Array {
    return new Uint8Array(from.made[block]!, 0, bytes);
  }

  protected override giveBack(to: HeapClass, block: number): void {
    to.free.push(block);
  }
}
