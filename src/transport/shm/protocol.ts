import { TendonError } from '../../core/index.ts';

/**
 * What travels on the life-line of a channel, the Unix socket that both ends keep open.
 * The normative text is `docs/reference/wire/channel.md`. All integers are little-endian.
 *
 * ```
 * message                                  doorbell
 *   0  type u8                               0  0x01, alone
 *   1  zero u8 * 3
 *   4  length u32, bytes of the body
 *   8  body
 * ```
 */
export const DOORBELL = 0x01;
export const HELLO = 0x10;
export const WELCOME = 0x11;
export const REFUSE = 0x12;
export const MEMORY = 0x20;
export const MEMORY_READY = 0x21;
export const MEMORY_REFUSED = 0x22;
export const FRAME_ON_SOCKET = 0x30;
export const SWITCH_TO_MEMORY = 0x31;
export const ASK_SOCKET = 0x32;
export const ASK_MEMORY = 0x33;
export const PING = 0x40;
export const PONG = 0x41;
export const BROADCAST = 0x50;
export const BROADCAST_READY = 0x51;
export const BROADCAST_REFUSED = 0x52;
export const BROADCAST_END = 0x53;
export const GOODBYE = 0x60;

export const HEADER_BYTES = 8;
/** No message but FRAME_ON_SOCKET has a longer body. */
export const MAX_CONTROL_BYTES = 1024;

/** "TNDNCHAN" as it lies in the first eight bytes of HELLO. */
const MAGIC_LOW = 0x4e444e54;
const MAGIC_HIGH = 0x4e414843;

/** The versions of the channel that this code speaks. */
export const VERSION_MIN = 1;
export const VERSION_MAX = 1;

/** Feature bits of HELLO and WELCOME. */
export const FEATURE_MEMORY = 1;
export const FEATURE_BROADCAST = 2;

/** Why somebody is refused, in REFUSE. */
export const REFUSED_VERSION = 1;
export const REFUSED_IDENTITY = 2;
export const REFUSED_BUSY = 3;
export const REFUSED_PROTOCOL = 4;

/** Why memory is refused, in MEMORY_REFUSED: whether the listener may offer again. */
export const MEMORY_REFUSED_FOR_NOW = 1;
export const MEMORY_REFUSED_FOR_GOOD = 2;

/** Writes a whole message: header, then the body. */
export function message(type: number, body: Uint8Array = NO_BODY): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + body.length);
  bytes[0] = type;
  new DataView(bytes.buffer).setUint32(4, body.length, true);
  bytes.set(body, HEADER_BYTES);
  return bytes;
}

const NO_BODY = new Uint8Array(0);

function words(...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  values.forEach((value, index) => {
    view.setUint32(index * 4, value, true);
  });
  return bytes;
}

/** The body of a message as little-endian u32 words. @throws TendonError PROTOCOL_ERROR when it is too short */
function readWords(body: Uint8Array, count: number, what: string, endpoint: string): number[] {
  if (body.length < count * 4) {
    throw protocolError(endpoint, `${what} has ${body.length} bytes, ${count * 4} were expected`);
  }
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  return Array.from({ length: count }, (_, index) => view.getUint32(index * 4, true));
}

export function protocolError(endpoint: string, what: string): TendonError {
  return new TendonError('PROTOCOL_ERROR', `${endpoint}: the other side is no Tendon channel: ${what}`, {
    endpoint,
  });
}

export interface Hello {
  readonly versionMin: number;
  readonly versionMax: number;
  readonly features: number;
  readonly maxFrameBytes: number;
  /** the ring size that the client would like each way; 0 for no wish */
  readonly ringBytes: number;
}

/** HELLO: magic u64 | versionMin u32 | versionMax u32 | features u32 | maxFrameBytes u32 | ringBytes u32 */
export function helloMessage(hello: Hello): Uint8Array {
  return message(
    HELLO,
    words(
      MAGIC_LOW,
      MAGIC_HIGH,
      hello.versionMin,
      hello.versionMax,
      hello.features,
      hello.maxFrameBytes,
      hello.ringBytes,
    ),
  );
}

export function readHello(body: Uint8Array, endpoint: string): Hello {
  const [low, high, versionMin, versionMax, features, maxFrameBytes, ringBytes] = readWords(
    body,
    7,
    'HELLO',
    endpoint,
  ) as [number, number, number, number, number, number, number];
  if (low !== MAGIC_LOW || high !== MAGIC_HIGH) throw protocolError(endpoint, 'HELLO without its magic');
  if (versionMin > versionMax)
    throw protocolError(endpoint, `HELLO offers versions ${versionMin} to ${versionMax}`);
  return { versionMin, versionMax, features, maxFrameBytes, ringBytes };
}

/** The newest version that both speak. @throws TendonError VERSION_UNSUPPORTED */
export function agreeOnVersion(theirs: Hello, endpoint: string): number {
  const version = Math.min(theirs.versionMax, VERSION_MAX);
  if (version < theirs.versionMin || version < VERSION_MIN) {
    throw new TendonError(
      'VERSION_UNSUPPORTED',
      `${endpoint}: the other side speaks channel versions ${theirs.versionMin} to ${theirs.versionMax}, this one ${VERSION_MIN} to ${VERSION_MAX}; upgrade the older`,
      { theirs: theirs.versionMax, ours: VERSION_MAX },
    );
  }
  return version;
}

export interface Welcome {
  readonly version: number;
  /** the features that both have */
  readonly features: number;
  readonly maxFrameBytes: number;
}

/** WELCOME: version u32 | features u32 | maxFrameBytes u32 */
export function welcomeMessage(welcome: Welcome): Uint8Array {
  return message(WELCOME, words(welcome.version, welcome.features, welcome.maxFrameBytes));
}

export function readWelcome(body: Uint8Array, endpoint: string): Welcome {
  const [version, features, maxFrameBytes] = readWords(body, 3, 'WELCOME', endpoint) as [
    number,
    number,
    number,
  ];
  if (version < VERSION_MIN || version > VERSION_MAX) {
    throw protocolError(endpoint, `WELCOME chooses version ${version}, which was not offered`);
  }
  return { version, features, maxFrameBytes };
}

/** REFUSE: reason u32 | text, UTF-8 */
export function refuseMessage(reason: number, text: string): Uint8Array {
  return message(REFUSE, withText(reason, text));
}

/** MEMORY_REFUSED: reason u32 | text, UTF-8 */
export function memoryRefusedMessage(reason: number, text: string): Uint8Array {
  return message(MEMORY_REFUSED, withText(reason, text));
}

function withText(reason: number, text: string): Uint8Array {
  const encoded = new TextEncoder().encode(text).subarray(0, 512);
  const body = new Uint8Array(4 + encoded.length);
  body.set(words(reason));
  body.set(encoded, 4);
  return body;
}

/** The reason and the text of REFUSE and MEMORY_REFUSED; the text is the peer's: shown, never trusted. */
export function readRefusal(
  body: Uint8Array,
  endpoint: string,
): { readonly reason: number; readonly text: string } {
  const [reason] = readWords(body, 1, 'a refusal', endpoint) as [number];
  const printable = new TextDecoder().decode(body.subarray(4)).replace(/[^\x20-\x7e]/g, '?');
  return { reason, text: printable.slice(0, 200) };
}

/** Where the two rings lie in a channel's memory. */
export interface MemoryOffer {
  readonly bytes: number;
  /** written by the client */
  readonly upOffset: number;
  readonly upRingBytes: number;
  /** written by the listener */
  readonly downOffset: number;
  readonly downRingBytes: number;
}

/** MEMORY, with one descriptor: bytes u32 | upOffset u32 | upRingBytes u32 | downOffset u32 | downRingBytes u32 */
export function memoryMessage(offer: MemoryOffer): Uint8Array {
  return message(
    MEMORY,
    words(offer.bytes, offer.upOffset, offer.upRingBytes, offer.downOffset, offer.downRingBytes),
  );
}

export function readMemory(body: Uint8Array, endpoint: string): MemoryOffer {
  const [bytes, upOffset, upRingBytes, downOffset, downRingBytes] = readWords(
    body,
    5,
    'MEMORY',
    endpoint,
  ) as [number, number, number, number, number];
  return { bytes, upOffset, upRingBytes, downOffset, downRingBytes };
}

/** PING and PONG: token u32 */
export function tokenMessage(type: typeof PING | typeof PONG, token: number): Uint8Array {
  return message(type, words(token));
}

export function readToken(body: Uint8Array, endpoint: string): number {
  return readWords(body, 1, 'PING', endpoint)[0] as number;
}

/** What a broadcast is, in BROADCAST with two descriptors: data, then cursor. */
export interface BroadcastOffer {
  readonly id: number;
  readonly dataBytes: number;
  readonly cursorBytes: number;
  readonly ringBytes: number;
  readonly maxFrameBytes: number;
}

/** BROADCAST: id u32 | dataBytes u32 | cursorBytes u32 | ringBytes u32 | maxFrameBytes u32 */
export function broadcastMessage(offer: BroadcastOffer): Uint8Array {
  return message(
    BROADCAST,
    words(offer.id, offer.dataBytes, offer.cursorBytes, offer.ringBytes, offer.maxFrameBytes),
  );
}

export function readBroadcast(body: Uint8Array, endpoint: string): BroadcastOffer {
  const [id, dataBytes, cursorBytes, ringBytes, maxFrameBytes] = readWords(
    body,
    5,
    'BROADCAST',
    endpoint,
  ) as [number, number, number, number, number];
  return { id, dataBytes, cursorBytes, ringBytes, maxFrameBytes };
}

/** BROADCAST_READY, _REFUSED and _END: id u32 */
export function broadcastIdMessage(
  type: typeof BROADCAST_READY | typeof BROADCAST_REFUSED | typeof BROADCAST_END,
  id: number,
): Uint8Array {
  return message(type, words(id));
}

export function readBroadcastId(body: Uint8Array, endpoint: string): number {
  return readWords(body, 1, 'a broadcast id', endpoint)[0] as number;
}
