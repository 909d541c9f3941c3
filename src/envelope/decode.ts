import { Flag } from './layout.ts';
import type { Message } from './message.ts';
import { EnvelopeReader, type EnvelopeReaderOptions } from './reader.ts';

/**
 * Decodes a whole frame into an object that owns its bytes.
 *
 * The frame is copied once, before anything is looked at, so memory that a peer shares cannot change under the
 * checks. The payload is a view of that copy, at a multiple of 8.
 *
 * @param length bytes of the frame, all of them
 * @throws TendonError VERSION_UNSUPPORTED; CHECKSUM_MISMATCH; DECODE_FAILED with the position in the frame
 */
export function decodeMessage(
  bytes: Uint8Array,
  offset = 0,
  length: number = bytes.length - offset,
  options?: EnvelopeReaderOptions,
): Message {
  const reader = new EnvelopeReader(options);
  if (!(length >= 0 && offset >= 0 && offset + length <= bytes.length)) reader.wrap(bytes, offset, length); // throws
  const frame = new Uint8Array(length);
  frame.set(bytes.subarray(offset, offset + length));
  reader.wrap(frame, 0, length);
  return {
    kind: reader.kind,
    codec: reader.codec,
    priority: reader.priority,
    callId: reader.callId,
    remainingMs: reader.remainingMs,
    methodId: reader.methodId,
    payload: frame.subarray(reader.payloadOffset),
    ...readBlocks(reader),
  };
}

/** The blocks that the wrapped frame has, as fields; only those that are there. */
export function readBlocks(
  reader: EnvelopeReader,
): Omit<Message, 'kind' | 'codec' | 'priority' | 'callId' | 'remainingMs' | 'methodId' | 'payload'> {
  const fields: { -readonly [Field in keyof Message]?: Message[Field] } = {};
  if (reader.flags === 0) return fields;
  if (reader.flags & Flag.CHECKSUM) fields.checksum = true;
  const ids = reader.readIds();
  if (ids) fields.ids = ids;
  const subject = reader.readSubject();
  if (subject !== undefined) fields.subject = subject;
  const error = reader.readError();
  if (error) fields.error = error;
  const trace = reader.readTrace();
  if (trace) fields.trace = trace;
  const metadata = reader.readMetadata();
  if (metadata) fields.metadata = metadata;
  const endpoints = reader.readEndpoints();
  if (endpoints) fields.endpoints = endpoints;
  const expiresNs = reader.readExpiresNs();
  if (expiresNs !== undefined) fields.expiresNs = expiresNs;
  const sentNs = reader.readSentNs();
  if (sentNs !== undefined) fields.sentNs = sentNs;
  const delivery = reader.readDelivery();
  if (delivery) fields.delivery = delivery;
  const sequence = reader.readSequence();
  if (sequence) fields.sequence = sequence;
  const topic = reader.readTopic();
  if (topic !== undefined) fields.topic = topic;
  const parts = reader.readParts();
  if (parts) fields.parts = parts;
  const routing = reader.readRouting();
  if (routing) fields.routing = routing;
  const extensions = reader.readExtensions();
  if (extensions) fields.extensions = extensions;
  return fields;
}
