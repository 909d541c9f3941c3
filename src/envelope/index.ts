/**
 * What a message is between two ends: a fixed base of 16 bytes and optional blocks around a payload.
 * The bytes are specified in `docs/reference/wire/envelope.md`.
 *
 * Hot: `EnvelopeWriter.writeBase` and `EnvelopeReader.wrap`. Everything else: `encodeMessage`, `decodeMessage`.
 */
export { EnvelopeWriter, writeBase } from './base.ts';
export { decodeMessage, readBlocks } from './decode.ts';
export {
  encodedLength,
  encodeHeaderInto,
  encodeInto,
  encodeMessage,
  headerLength,
  sealFrame,
} from './encode.ts';
export {
  BASE_BYTES,
  BlockBit,
  DeliveryAttribute,
  ENVELOPE_ALIGNMENT,
  ENVELOPE_VERSION,
  Flag,
  Kind,
  MAX_BLOCK_BODY,
  MAX_CODEC_ID,
  MAX_PARTS,
  NO_DEADLINE,
  Priority,
} from './layout.ts';
export type {
  DeliveryInfo,
  ExtensionBlock,
  Message,
  MessageEndpoints,
  MessageError,
  MessageErrorInit,
  MessageIds,
  MessageInit,
  MetadataEntry,
  SequenceInfo,
  TraceContext,
  TraceContextInit,
} from './message.ts';
export { methodIdOf } from './method-id.ts';
export { ENVELOPE_READER_DEFAULTS, EnvelopeReader, type EnvelopeReaderOptions } from './reader.ts';
