import { integerOption, oneOfOption, refuseUnknownOptions, TendonError } from '../core/index.ts';
import { native } from './native.ts';
import { systemFailure } from './system-error.ts';

export interface MappingOptions {
  /** where in the file it starts, a multiple of the page size. Default: 0. */
  readonly offset?: number;
  /** its length; on Node 20 at most 4 GiB */
  readonly bytes: number;
  /** A write through a mapping that is not writable ends the process (SIGSEGV). */
  readonly writable: boolean;
  /** Pages are present from the start, so that no first access waits for one. Default: false. */
  readonly prefault?: boolean;
}

/** madvise(2): what the kernel may expect */
const ADVICE = {
  normal: 0,
  random: 1,
  sequential: 2,
  'will-need': 3,
  'dont-fork': 10,
  'huge-page': 14,
  'no-huge-page': 15,
  'dont-dump': 16,
} as const;
export type MappingAdvice = keyof typeof ADVICE;

/**
 * Shared memory as a plain ArrayBuffer. Each thread maps for itself: posting the buffer to a worker copies it.
 *
 * Nothing may resize the file below the mapping: an access behind its end ends the process (SIGBUS). So memory of
 * another process is mapped after `checkSealedMemfd`.
 */
export class Mapping implements Disposable {
  readonly bytes: number;
  readonly writable: boolean;
  readonly #buffer: ArrayBuffer;
  #closed = false;

  private constructor(buffer: ArrayBuffer, writable: boolean) {
    this.#buffer = buffer;
    this.bytes = buffer.byteLength;
    this.writable = writable;
  }

  /**
   * Maps a descriptor, which may be closed afterwards.
   * @throws TendonError RESOURCE_EXHAUSTED without address space or memory; PERMISSION_DENIED when the descriptor
   *   or its seals refuse writing; SYSTEM_ERROR otherwise
   */
  static map(fd: number, options: MappingOptions): Mapping {
    refuseUnknownOptions('Mapping.map', options, ['offset', 'bytes', 'writable', 'prefault']);
    const offset = integerOption('offset', options.offset ?? 0, 0, Number.MAX_SAFE_INTEGER);
    const bytes = integerOption('bytes', options.bytes, 1, Number.MAX_SAFE_INTEGER);
    const { writable, prefault = false } = options;
    try {
      return new Mapping(native().mapRegion(fd, offset, bytes, writable, prefault), writable);
    } catch (error) {
      throw systemFailure(error, `map ${bytes} bytes of descriptor ${fd}`);
    }
  }

  /** The memory; its `byteLength` is 0 once closed, and so is that of every view over it. */
  get buffer(): ArrayBuffer {
    return this.#buffer;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Tells the kernel how the memory will be used; `offset` is a multiple of the page size. */
  advise(advice: MappingAdvice, offset = 0, bytes = this.bytes - offset): void {
    oneOfOption('advice', advice, Object.keys(ADVICE) as MappingAdvice[]);
    this.#requireOpen();
    try {
      native().adviseRegion(this.#buffer, offset, bytes, ADVICE[advice]);
    } catch (error) {
      throw systemFailure(error, `advise the kernel about ${bytes} mapped bytes at ${offset}`);
    }
  }

  /** Makes pages present, and writable in a writable mapping; contents stay. Takes time: 0.1 to 0.5 s a GiB. */
  prefault(offset = 0, bytes = this.bytes - offset): void {
    this.#requireOpen();
    try {
      native().prefaultRegion(this.#buffer, offset, bytes, this.writable);
    } catch (error) {
      throw systemFailure(error, `prefault ${bytes} mapped bytes at ${offset}`);
    }
  }

  /** Detaches the buffer, then unmaps: a late access sees length 0, and `Atomics` on it throws. Idempotent. */
  close(): void {
    if (this.#closed) return;
    try {
      native().unmapRegion(this.#buffer);
      this.#closed = true;
    } catch (error) {
      throw systemFailure(error, `unmap ${this.bytes} bytes`);
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #requireOpen(): void {
    if (this.#closed) throw new TendonError('STATE_INVALID', 'the mapping is closed', {});
  }
}
