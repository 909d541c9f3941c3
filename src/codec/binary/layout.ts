/**
 * A typed array on the wire:
 *
 * ```
 *  byte 0        1                                                    8
 *      +--------+-----------------------------------------------------+------------- - -
 *      | type   | zero                                                | elements, little-endian
 *      +--------+-----------------------------------------------------+------------- - -
 * ```
 *
 * The elements fill the rest and start at a multiple of 8 when the value does, as payloads of the envelope do.
 */
export const ELEMENTS_OFFSET = 8;

export type TypedArray =
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array;

interface ElementType {
  readonly name: string;
  readonly bytes: number;
  readonly view: (buffer: ArrayBufferLike, offset: number, count: number) => TypedArray;
}

/** By number on the wire, which is never used again for another type. 0 is refused: zeros are no value. */
export const ELEMENT_TYPES: readonly (ElementType | undefined)[] = [
  undefined,
  { name: 'Uint8Array', bytes: 1, view: (buffer, offset, count) => new Uint8Array(buffer, offset, count) },
  { name: 'Int8Array', bytes: 1, view: (buffer, offset, count) => new Int8Array(buffer, offset, count) },
  {
    name: 'Uint8ClampedArray',
    bytes: 1,
    view: (buffer, offset, count) => new Uint8ClampedArray(buffer, offset, count),
  },
  { name: 'Uint16Array', bytes: 2, view: (buffer, offset, count) => new Uint16Array(buffer, offset, count) },
  { name: 'Int16Array', bytes: 2, view: (buffer, offset, count) => new Int16Array(buffer, offset, count) },
  { name: 'Uint32Array', bytes: 4, view: (buffer, offset, count) => new Uint32Array(buffer, offset, count) },
  { name: 'Int32Array', bytes: 4, view: (buffer, offset, count) => new Int32Array(buffer, offset, count) },
  {
    name: 'Float32Array',
    bytes: 4,
    view: (buffer, offset, count) => new Float32Array(buffer, offset, count),
  },
  {
    name: 'Float64Array',
    bytes: 8,
    view: (buffer, offset, count) => new Float64Array(buffer, offset, count),
  },
  {
    name: 'BigInt64Array',
    bytes: 8,
    view: (buffer, offset, count) => new BigInt64Array(buffer, offset, count),
  },
  {
    name: 'BigUint64Array',
    bytes: 8,
    view: (buffer, offset, count) => new BigUint64Array(buffer, offset, count),
  },
];
