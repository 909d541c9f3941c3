/** Over 400 lines because measuring and writing a block must change together; the formatter gives imports a fifth. */

import { writeBase } from './base.ts';
import { inexpressible } from './failure.ts';
import {
  BASE_BYTES,
  BLOCK_COUNT,
  BLOCK_HEADER_BYTES,
  BLOCK_TYPE_SHIFT,
  BlockBit,
  blockBytes,
  blockType,
  DELIVERY_ATTRIBUTES_OFFSET,
  DELIVERY_CONTENT_TYPE_OFFSET,
  DELIVERY_MAX_RETRIES_OFFSET,
  DELIVERY_RETRY_COUNT_OFFSET,
  ENDPOINTS_SOURCE_OFFSET,
  ERROR_BITS_OFFSET,
  ERROR_CATEGORY_BYTES_OFFSET,
  ERROR_CODE_BYTES_OFFSET,
  ERROR_CONTEXT_BYTES_OFFSET,
  ERROR_HAS_DETAILS,
  ERROR_MESSAGE_BYTES_OFFSET,
  ERROR_NUMBER_OFFSET,
  ERROR_RETRYABLE,
  ERROR_TEXTS_OFFSET,
  EXTENSIONS_ENTRIES_OFFSET,
  FIRST_EXTENSION_TYPE,
  FIRST_KIND,
  ID_BYTES,
  INSTANT_NS_OFFSET,
  LAST_EXTENSION_TYPE,
  LAST_KIND,
  MAX_BLOCK_BODY,
  MAX_CODEC_ID,
  MAX_ERROR_CATEGORY_BYTES,
  MAX_ERROR_CODE_BYTES,
  MAX_IDENTITY_BYTES,
  MAX_METADATA_KEY_BYTES,
  MAX_PARTS,
  METADATA_BYTES,
  METADATA_ENTRIES_OFFSET,
  METADATA_ENTRY_BYTES,
  METADATA_TEXT,
  METADATA_TYPE_OFFSET,
  METADATA_VALUE_BYTES_OFFSET,
  METADATA_ZERO_OFFSET,
  NO_DEADLINE,
  PART_LENGTH_BYTES,
  Priority,
  SEQUENCE_EPOCH_OFFSET,
  SEQUENCE_NUMBER_OFFSET,
  SEQUENCE_RESERVED_OFFSET,
  SEQUENCE_SOURCE_OFFSET,
  TRACE_FLAGS_OFFSET,
  TRACE_ID_BYTES,
  TRACE_ID_OFFSET,
  TRACE_PARENT_BYTES,
  TRACE_PARENT_OFFSET,
  TRACE_STATE_OFFSET,
} from './layout.ts';
import type { ExtensionBlock, MessageErrorInit, MessageInit, MetadataEntry } from './message.ts';
import { textBytes, writeText } from './text.ts';

/** The blocks of one message: measured on construction, written afterwards. */
export class Blocks {
  readonly headerBytes: number;
  readonly #message: MessageInit;
  readonly #flags: number;
  readonly #bodyBytes: Int32Array;

  constructor(message: MessageInit) {
    this.#message = message;
    this.#bodyBytes = new Int32Array(BLOCK_COUNT);
    checkBase(message);
    const { ids, subject, error, trace, metadata, endpoints, expiresNs, sentNs, delivery } = message;
    const { sequence, topic, parts, routing, extensions } = message;
    let flags = 0;
    const announce = (bit: BlockBit, bodyBytes: number): void => {
      if (bodyBytes > MAX_BLOCK_BODY) {
        inexpressible(`block of type ${blockType(bit)}`, `at most ${MAX_BLOCK_BODY} bytes`, bodyBytes);
      }
      flags |= 1 << bit;
      this.#bodyBytes[bit] = bodyBytes;
    };
    if (message.checksum) announce(BlockBit.CHECKSUM, 4);
    if (ids) {
      checkBytes('ids.messageId', ids.messageId, ID_BYTES, ID_BYTES);
      checkBytes('ids.correlationId', ids.correlationId, ID_BYTES, ID_BYTES);
      announce(BlockBit.IDS, 2 * ID_BYTES);
    }
    if (subject !== undefined) announce(BlockBit.SUBJECT, textBytes('subject', subject));
    if (error) announce(BlockBit.ERROR, errorBytes(error));
    if (trace) {
      checkBytes('trace.traceId', trace.traceId, TRACE_ID_BYTES, TRACE_ID_BYTES);
      checkBytes('trace.parentId', trace.parentId, TRACE_PARENT_BYTES, TRACE_PARENT_BYTES);
      checkInteger('trace.version', trace.version ?? 0, 0xff);
      checkInteger('trace.traceFlags', trace.traceFlags ?? 0, 0xff);
      announce(BlockBit.TRACE, TRACE_STATE_OFFSET + textBytes('trace.state', trace.state ?? ''));
    }
    if (metadata) announce(BlockBit.METADATA, metadataBytes(metadata));
    if (endpoints) {
      announce(
        BlockBit.ENDPOINTS,
        ENDPOINTS_SOURCE_OFFSET +
          textBytes('endpoints.source', endpoints.source) +
          textBytes('endpoints.destination', endpoints.destination),
      );
    }
    if (expiresNs !== undefined) {
      checkBig('expiresNs', expiresNs);
      announce(BlockBit.EXPIRY, INSTANT_NS_OFFSET + 8);
    }
    if (sentNs !== undefined) {
      checkBig('sentNs', sentNs);
      announce(BlockBit.TIME, INSTANT_NS_OFFSET + 8);
    }
    if (delivery) {
      checkInteger('delivery.retryCount', delivery.retryCount ?? 0);
      checkInteger('delivery.maxRetries', delivery.maxRetries ?? 0);
      checkInteger('delivery.attributes', delivery.attributes ?? 0);
      announce(
        BlockBit.DELIVERY,
        DELIVERY_CONTENT_TYPE_OFFSET + textBytes('delivery.contentType', delivery.contentType ?? ''),
      );
    }
    if (sequence) {
      checkInteger('sequence.source', sequence.source);
      checkInteger('sequence.epoch', sequence.epoch);
      checkBig('sequence.sequence', sequence.sequence);
      announce(BlockBit.SEQUENCE, SEQUENCE_RESERVED_OFFSET + 4);
    }
    if (topic !== undefined) announce(BlockBit.TOPIC, textBytes('topic', topic));
    if (parts) announce(BlockBit.PARTS, partsBytes(parts, message.payload));
    if (routing) announce(BlockBit.ROUTING, routingBytes(routing));
    if (extensions) announce(BlockBit.EXTENSIONS, extensionsBytes(extensions));
    this.#flags = flags;
    let headerBytes = BASE_BYTES;
    for (let bit = 0; bit < BLOCK_COUNT; bit++) {
      if (flags & (1 << bit)) headerBytes += blockBytes(this.#bodyBytes[bit]!);
    }
    this.headerBytes = headerBytes;
  }

  /** Writes base and blocks; the checksum's word stays zero until `sealFrame`. */
  write(target: Uint8Array, offset: number): void {
    const message = this.#message;
    const view = new DataView(target.buffer, target.byteOffset, target.byteLength);
    writeBase(
      view,
      offset,
      message.kind,
      message.codec ?? 0,
      message.priority ?? Priority.NORMAL,
      this.#flags,
      message.callId ?? 0,
      message.remainingMs ?? NO_DEADLINE,
      message.methodId ?? 0,
    );
    let at = offset + BASE_BYTES;
    for (let bit = 0; bit < BLOCK_COUNT; bit++) {
      if ((this.#flags & (1 << bit)) === 0) continue;
      const bodyBytes = this.#bodyBytes[bit]!;
      const next = at + blockBytes(bodyBytes);
      target.fill(0, at, next); // padding and reserved bytes
      putBlockHeader(view, at, blockType(bit), bodyBytes);
      this.#body(bit as BlockBit, view, target, at + BLOCK_HEADER_BYTES); // bits come from announce alone
      at = next;
    }
  }

  #body(bit: BlockBit, view: DataView, target: Uint8Array, at: number): void {
    const message = this.#message;
    switch (bit) {
      case BlockBit.CHECKSUM:
        return;
      case BlockBit.IDS:
        target.set(message.ids!.messageId, at);
        target.set(message.ids!.correlationId, at + ID_BYTES);
        return;
      case BlockBit.SUBJECT:
        writeText(target, at, message.subject!);
        return;
      case BlockBit.ERROR:
        writeError(message.error!, view, target, at);
        return;
      case BlockBit.TRACE: {
        const { version = 0, traceId, parentId, traceFlags = 0, state = '' } = message.trace!;
        target[at] = version;
        target.set(traceId, at + TRACE_ID_OFFSET);
        target.set(parentId, at + TRACE_PARENT_OFFSET);
        target[at + TRACE_FLAGS_OFFSET] = traceFlags;
        writeText(target, at + TRACE_STATE_OFFSET, state);
        return;
      }
      case BlockBit.METADATA:
        writeMetadata(message.metadata!, view, target, at);
        return;
      case BlockBit.ENDPOINTS: {
        const source = at + ENDPOINTS_SOURCE_OFFSET;
        const destination = writeText(target, source, message.endpoints!.source);
        view.setUint32(at, destination - source, true);
        writeText(target, destination, message.endpoints!.destination);
        return;
      }
      case BlockBit.EXPIRY:
        view.setBigUint64(at + INSTANT_NS_OFFSET, message.expiresNs!, true);
        return;
      case BlockBit.TIME:
        view.setBigUint64(at + INSTANT_NS_OFFSET, message.sentNs!, true);
        return;
      case BlockBit.DELIVERY: {
        const { contentType = '', retryCount = 0, maxRetries = 0, attributes = 0 } = message.delivery!;
        view.setUint32(at + DELIVERY_ATTRIBUTES_OFFSET, attributes, true);
        view.setUint32(at + DELIVERY_RETRY_COUNT_OFFSET, retryCount, true);
        view.setUint32(at + DELIVERY_MAX_RETRIES_OFFSET, maxRetries, true);
        writeText(target, at + DELIVERY_CONTENT_TYPE_OFFSET, contentType);
        return;
      }
      case BlockBit.SEQUENCE: {
        const { source, epoch, sequence } = message.sequence!;
        view.setUint32(at + SEQUENCE_SOURCE_OFFSET, source, true);
        view.setBigUint64(at + SEQUENCE_NUMBER_OFFSET, sequence, true);
        view.setUint32(at + SEQUENCE_EPOCH_OFFSET, epoch, true);
        return;
      }
      case BlockBit.TOPIC:
        writeText(target, at, message.topic!);
        return;
      case BlockBit.PARTS:
        for (const [part, bytes] of message.parts!.entries()) {
          view.setUint32(at + part * PART_LENGTH_BYTES, bytes, true);
        }
        return;
      case BlockBit.ROUTING: {
        let next = at;
        for (const identity of message.routing!) {
          target[next] = identity.length;
          target.set(identity, next + 1);
          next += 1 + identity.length;
        }
        return;
      }
      case BlockBit.EXTENSIONS: {
        view.setUint32(at, message.extensions!.length, true);
        let next = at + EXTENSIONS_ENTRIES_OFFSET;
        for (const { type, body } of message.extensions!) {
          putBlockHeader(view, next, type, body.length);
          target.set(body, next + BLOCK_HEADER_BYTES);
          next += blockBytes(body.length);
        }
        return;
      }
      default:
        bit satisfies never;
    }
  }
}

function checkBase(message: MessageInit): void {
  const { kind, codec = 0, priority = Priority.NORMAL, callId = 0, remainingMs = 0, methodId = 0 } = message;
  if (!Number.isInteger(kind) || kind < FIRST_KIND || kind > LAST_KIND) {
    inexpressible('kind', 'a Kind', kind);
  }
  checkInteger('codec', codec, MAX_CODEC_ID);
  checkInteger('priority', priority, Priority.CRITICAL);
  checkInteger('callId', callId);
  checkInteger('remainingMs', remainingMs);
  checkInteger('methodId', methodId);
}

function checkInteger(field: string, value: number, most = 0xffff_ffff): void {
  if (!Number.isInteger(value) || value < 0 || value > most) {
    inexpressible(field, `an integer from 0 to ${most}`, value);
  }
}

function checkBig(field: string, value: bigint): void {
  if (typeof value !== 'bigint' || BigInt.asUintN(64, value) !== value) {
    inexpressible(field, 'a bigint of 64 bits without sign', value);
  }
}

export function checkBytes(field: string, value: Uint8Array, least: number, most: number): number {
  if (!(value instanceof Uint8Array)) inexpressible(field, 'a Uint8Array', value);
  if (value.length < least || value.length > most) {
    inexpressible(field, least === most ? `${least} bytes` : `${least} to ${most} bytes`, value.length);
  }
  return value.length;
}

function checkText(field: string, text: string, mostBytes: number): number {
  const length = textBytes(field, text);
  if (length > mostBytes) inexpressible(field, `at most ${mostBytes} bytes`, length);
  return length;
}

function errorBytes(error: MessageErrorInit): number {
  checkInteger('error.number', error.number ?? 0);
  return (
    ERROR_TEXTS_OFFSET +
    checkText('error.code', error.code, MAX_ERROR_CODE_BYTES) +
    checkText('error.category', error.category ?? '', MAX_ERROR_CATEGORY_BYTES) +
    textBytes('error.message', error.message) +
    textBytes('error.context', error.context ?? '') +
    (error.details === undefined ? 0 : checkBytes('error.details', error.details, 0, MAX_BLOCK_BODY))
  );
}

function writeError(error: MessageErrorInit, view: DataView, target: Uint8Array, at: number): void {
  const code = at + ERROR_TEXTS_OFFSET;
  const category = writeText(target, code, error.code);
  const message = writeText(target, category, error.category ?? '');
  const context = writeText(target, message, error.message);
  const details = writeText(target, context, error.context ?? '');
  if (error.details) target.set(error.details, details);
  view.setUint32(at + ERROR_NUMBER_OFFSET, error.number ?? 0, true);
  target[at + ERROR_BITS_OFFSET] =
    (error.retryable ? ERROR_RETRYABLE : 0) | (error.details ? ERROR_HAS_DETAILS : 0);
  target[at + ERROR_CODE_BYTES_OFFSET] = category - code;
  view.setUint16(at + ERROR_CATEGORY_BYTES_OFFSET, message - category, true);
  view.setUint32(at + ERROR_MESSAGE_BYTES_OFFSET, context - message, true);
  view.setUint32(at + ERROR_CONTEXT_BYTES_OFFSET, details - context, true);
}

function metadataBytes(entries: readonly MetadataEntry[]): number {
  let bytes = METADATA_ENTRIES_OFFSET;
  for (const [name, value] of entries) {
    bytes += METADATA_ENTRY_BYTES + checkText('metadata name', name, MAX_METADATA_KEY_BYTES);
    bytes +=
      typeof value === 'string'
        ? textBytes('metadata value', value)
        : checkBytes('metadata value', value, 0, MAX_BLOCK_BODY);
  }
  return bytes;
}

function writeMetadata(
  entries: readonly MetadataEntry[],
  view: DataView,
  target: Uint8Array,
  start: number,
): void {
  view.setUint32(start, entries.length, true);
  let at = start + METADATA_ENTRIES_OFFSET;
  for (const [name, value] of entries) {
    const nameAt = at + METADATA_ENTRY_BYTES;
    const valueAt = writeText(target, nameAt, name);
    let next: number;
    if (typeof value === 'string') {
      next = writeText(target, valueAt, value);
    } else {
      target.set(value, valueAt);
      next = valueAt + value.length;
    }
    view.setUint16(at, valueAt - nameAt, true);
    target[at + METADATA_TYPE_OFFSET] = typeof value === 'string' ? METADATA_TEXT : METADATA_BYTES;
    target[at + METADATA_ZERO_OFFSET] = 0;
    view.setUint32(at + METADATA_VALUE_BYTES_OFFSET, next - valueAt, true);
    at = next;
  }
}

function partsBytes(parts: readonly number[], payload: Uint8Array | undefined): number {
  if (parts.length < 1 || parts.length > MAX_PARTS) {
    inexpressible('parts', `1 to ${MAX_PARTS} lengths`, parts.length);
  }
  let sum = 0;
  for (const bytes of parts) {
    checkInteger('length of a part', bytes);
    sum += bytes;
  }
  if (payload && sum !== payload.length) {
    inexpressible('parts', `lengths that sum up to the payload's ${payload.length} bytes`, sum);
  }
  return parts.length * PART_LENGTH_BYTES;
}

function routingBytes(identities: readonly Uint8Array[]): number {
  if (identities.length === 0) inexpressible('routing', 'at least one identity', 0);
  let bytes = 0;
  for (const identity of identities) {
    bytes += 1 + checkBytes('routing identity', identity, 1, MAX_IDENTITY_BYTES);
  }
  return bytes;
}

function extensionsBytes(extensions: readonly ExtensionBlock[]): number {
  let bytes = EXTENSIONS_ENTRIES_OFFSET;
  for (const { type, body } of extensions) {
    if (!Number.isInteger(type) || type < FIRST_EXTENSION_TYPE || type > LAST_EXTENSION_TYPE) {
      inexpressible(
        'extension type',
        `an integer from ${FIRST_EXTENSION_TYPE} to ${LAST_EXTENSION_TYPE}`,
        type,
      );
    }
    bytes += blockBytes(checkBytes('extension body', body, 0, MAX_BLOCK_BODY));
  }
  return bytes;
}

function putBlockHeader(view: DataView, at: number, type: number, bodyBytes: number): void {
  view.setUint32(at, (type << BLOCK_TYPE_SHIFT) | bodyBytes, true);
}
