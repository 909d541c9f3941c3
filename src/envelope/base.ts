import type { Kind, Priority } from './layout.ts';
import * as layout from './layout.ts';

// Locals, not imports: V8 folds a module's own unexported constants, but loads and checks an imported one at each use.
// Here that is 7 ns a base against 1.3 (bench/micro/envelope.ts).
const {
  BASE_BYTES,
  CALL_ID_OFFSET,
  CODEC_SHIFT,
  ENVELOPE_VERSION,
  FLAGS_SHIFT,
  METHOD_ID_OFFSET,
  PRIORITY_SHIFT,
  REMAINING_OFFSET,
  VERSION_SHIFT,
  WORD_OFFSET,
} = layout;

/**
 * Writes the fixed base of 16 bytes.
 *
 * Arguments are trusted, for speed: integers beyond their field are cut to its low bits by the processor's rules.
 * `encodeMessage` is the form that checks.
 *
 * @hot
 * @param view over the memory that holds the frame
 * @param offset of the frame in `view`
 * @param codec number of the payload's codec, 0 to 63
 * @param flags blocks that follow, bits of `Flag`; 0 when the payload follows at once
 * @param callId u32
 * @param remainingMs u32 milliseconds the sender still waits; 0 (`NO_DEADLINE`) when it has no deadline
 * @param methodId u32
 */
export function writeBase(
  view: DataView,
  offset: number,
  kind: Kind,
  codec: number,
  priority: Priority,
  flags: number,
  callId: number,
  remainingMs: number,
  methodId: number,
): void {
  const word =
    (ENVELOPE_VERSION << VERSION_SHIFT) |
    kind |
    (codec << CODEC_SHIFT) |
    (priority << PRIORITY_SHIFT) |
    (flags << FLAGS_SHIFT);
  view.setUint32(offset + WORD_OFFSET, word, true);
  view.setUint32(offset + CALL_ID_OFFSET, callId, true);
  view.setUint32(offset + REMAINING_OFFSET, remainingMs, true);
  view.setUint32(offset + METHOD_ID_OFFSET, methodId, true);
}

/** Writes bases into any memory and keeps the view of the memory it wrote last: one per connection or thread. */
export class EnvelopeWriter {
  #bytes: Uint8Array;
  #view: DataView;

  constructor() {
    this.#bytes = new Uint8Array(0);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /**
   * Writes the fixed base at `offset` of `bytes`; arguments as in the function `writeBase`.
   *
   * @hot
   * @returns the offset behind the base, where the payload starts when `flags` is 0
   */
  writeBase(
    bytes: Uint8Array,
    offset: number,
    kind: Kind,
    codec: number,
    priority: Priority,
    flags: number,
    callId: number,
    remainingMs: number,
    methodId: number,
  ): number {
    if (bytes !== this.#bytes) this.#rebind(bytes);
    writeBase(this.#view, offset, kind, codec, priority, flags, callId, remainingMs, methodId);
    return offset + BASE_BYTES;
  }

  #rebind(bytes: Uint8Array): void {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#bytes = bytes;
  }
}
