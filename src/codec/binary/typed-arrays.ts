import { TendonError } from '../../core/index.ts';
import { CODEC_IDS, type Codec } from '../codec.ts';
import { ownBytes, requireExtent, undecodable, unencodable } from '../failure.ts';
import { ELEMENT_TYPES, ELEMENTS_OFFSET, type TypedArray } from './layout.ts';

/**
 * Typed arrays with their element type, bigint ones included: a `Float32Array` arrives as a `Float32Array`. A Buffer
 * arrives as a Uint8Array. A DataView is refused, for it does not say what its bytes are.
 */
export const binaryCodec: Codec<TypedArray> = {
  id: CODEC_IDS.BINARY,
  name: 'binary',
  encode(value) {
    const type = elementTypeOf(value);
    const bytes = new Uint8Array(ELEMENTS_OFFSET + value.byteLength);
    bytes[0] = type;
    bytes.set(bytesOf(value), ELEMENTS_OFFSET);
    return bytes;
  },
  encodeInto(value, target, offset) {
    const type = elementTypeOf(value);
    const length = ELEMENTS_OFFSET + value.byteLength;
    if (offset + length > target.length) return -1;
    target.fill(0, offset, offset + ELEMENTS_OFFSET);
    target[offset] = type;
    target.set(bytesOf(value), offset + ELEMENTS_OFFSET);
    return length;
  },
  decode(bytes, offset, length) {
    const type = elementType(bytes, offset, length);
    const elements = ownBytes(bytes, offset + ELEMENTS_OFFSET, length - ELEMENTS_OFFSET);
    return type.view(elements.buffer, 0, elements.length / type.bytes);
  },
};

/**
 * The array in place, without a copy: it aliases `bytes` and shows whatever is written there later.
 *
 * @returns undefined when its elements do not lie on a multiple of their size; then `binaryCodec.decode` copies them
 * @throws TendonError DECODE_FAILED as `binaryCodec.decode`
 */
export function viewTypedArray(bytes: Uint8Array, offset: number, length: number): TypedArray | undefined {
  const type = elementType(bytes, offset, length);
  const start = bytes.byteOffset + offset + ELEMENTS_OFFSET;
  if (start % type.bytes !== 0) return undefined;
  return type.view(bytes.buffer, start, (length - ELEMENTS_OFFSET) / type.bytes);
}

function elementType(bytes: Uint8Array, offset: number, length: number) {
  requireExtent('binary', bytes, offset, length);
  if (length < ELEMENTS_OFFSET) undecodable('binary', length, `end before the header of ${ELEMENTS_OFFSET}`);
  const number = bytes[offset]!;
  const type = ELEMENT_TYPES[number];
  if (type === undefined) return undecodable('binary', 0, `unknown element type ${number}`);
  for (let at = 1; at < ELEMENTS_OFFSET; at++) {
    if (bytes[offset + at] !== 0) undecodable('binary', at, 'reserved byte that is not zero');
  }
  if ((length - ELEMENTS_OFFSET) % type.bytes !== 0) {
    undecodable('binary', length, `${length - ELEMENTS_OFFSET} bytes that are no whole ${type.name}`);
  }
  requireByteOrder(type.bytes);
  return type;
}

function elementTypeOf(value: unknown): number {
  const name =
    value instanceof Uint8Array ? 'Uint8Array' : Object.prototype.toString.call(value).slice(8, -1); // "[object X]"
  const number = ArrayBuffer.isView(value) ? ELEMENT_TYPES.findIndex((type) => type?.name === name) : -1;
  if (number > 0) {
    requireByteOrder(ELEMENT_TYPES[number]!.bytes);
    return number;
  }
  if (value instanceof DataView) {
    return unencodable('binary', 'a DataView has no element type: pass a typed array over its buffer');
  }
  if (value instanceof ArrayBuffer || name === 'SharedArrayBuffer') {
    return unencodable('binary', `an ${name} has no element type: pass a typed array over it`);
  }
  return unencodable('binary', `takes a typed array, got ${name}`);
}

function bytesOf(value: TypedArray): Uint8Array {
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}

const HOST_IS_LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

function requireByteOrder(elementBytes: number): void {
  if (HOST_IS_LITTLE_ENDIAN || elementBytes === 1) return;
  throw new TendonError(
    'CAPABILITY_MISSING',
    'the binary codec moves elements of several bytes between little-endian hosts only',
    { capability: 'little-endian host' },
  );
}
