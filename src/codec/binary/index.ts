/** Bytes as they are, and typed arrays that remember what they are. */
export { bytesCodec } from './bytes.ts';
export type { TypedArray } from './layout.ts';
export { binaryCodec, viewTypedArray } from './typed-arrays.ts';
