import type { Kind, Priority } from './layout.ts';

/**
 * A message as an object, for everything that is not the hot path: what `decodeMessage` returns and, with defaults
 * (`MessageInit`), what `encodeMessage` takes. A field that stands for a block is absent when the block is.
 */
export interface Message {
  readonly kind: Kind;
  /** number of the codec that the payload and the error's details are encoded with; 0 when the ends agreed elsewhere */
  readonly codec: number;
  readonly priority: Priority;
  /** u32, unique among the calls that one side has open on one connection */
  readonly callId: number;
  /** u32, milliseconds that the sender still waits; 0 when it has no deadline */
  readonly remainingMs: number;
  /** u32, `methodIdOf` a name or a registered number; 0 when there is none or the subject names it */
  readonly methodId: number;
  readonly payload: Uint8Array;
  /** a CRC-32C travels with the frame and was verified */
  readonly checksum?: true;
  readonly ids?: MessageIds;
  /** name of the method, or what the message is about */
  readonly subject?: string;
  readonly error?: MessageError;
  readonly trace?: TraceContext;
  /** in order, names may repeat */
  readonly metadata?: readonly MetadataEntry[];
  readonly endpoints?: MessageEndpoints;
  /** nanoseconds since the Unix epoch, u64; after it nobody wants the message */
  readonly expiresNs?: bigint;
  /** nanoseconds since the Unix epoch, u64 */
  readonly sentNs?: bigint;
  readonly delivery?: DeliveryInfo;
  readonly sequence?: SequenceInfo;
  readonly topic?: string;
  /** bytes of each part, in order; their sum is the payload's length */
  readonly parts?: readonly number[];
  /** identities of 1 to 255 bytes on the way back to the requester, nearest hop first */
  readonly routing?: readonly Uint8Array[];
  /** blocks of later revisions; one whose type is 0x80 or more is critical: who does not know it refuses the frame */
  readonly extensions?: readonly ExtensionBlock[];
}

/** What `encodeMessage` takes: a kind, and whatever differs from zero, NORMAL, empty and absent. */
export type MessageInit = Pick<Message, 'kind'> &
  Partial<Omit<Message, 'kind' | 'checksum' | 'error' | 'trace' | 'delivery'>> & {
    readonly checksum?: boolean;
    readonly error?: MessageErrorInit;
    readonly trace?: TraceContextInit;
    readonly delivery?: Partial<DeliveryInfo>;
  };

export interface MessageIds {
  /** 16 bytes */
  readonly messageId: Uint8Array;
  /** 16 bytes; zeros when it answers nothing */
  readonly correlationId: Uint8Array;
}

export interface MessageEndpoints {
  readonly source: string;
  readonly destination: string;
}

export interface MessageError {
  /** for programs: `'DEADLINE_EXCEEDED'`; at most 255 bytes */
  readonly code: string;
  /** for people */
  readonly message: string;
  /** the same call, unchanged, may succeed later */
  readonly retryable: boolean;
  /** u32, where codes are numbers; 0 elsewhere */
  readonly number: number;
  /** tells apart the number ranges of different origins */
  readonly category: string;
  readonly context: string;
  /** encoded by the message's codec */
  readonly details?: Uint8Array;
}
export type MessageErrorInit = Pick<MessageError, 'code' | 'message'> & Partial<MessageError>;

/** W3C trace context, `traceparent` in binary and `tracestate` as text. */
export interface TraceContext {
  /** version of traceparent, 0 today */
  readonly version: number;
  /** 16 bytes */
  readonly traceId: Uint8Array;
  /** 8 bytes */
  readonly parentId: Uint8Array;
  /** bit 0: sampled */
  readonly traceFlags: number;
  readonly state: string;
}
export type TraceContextInit = Pick<TraceContext, 'traceId' | 'parentId'> & Partial<TraceContext>;

export type MetadataEntry = readonly [name: string, value: string | Uint8Array];

export interface DeliveryInfo {
  /** MIME type of the payload; '' when the codec says enough */
  readonly contentType: string;
  readonly retryCount: number;
  readonly maxRetries: number;
  /** bits of `DeliveryAttribute` */
  readonly attributes: number;
}

export interface SequenceInfo {
  /** u32 key of the source */
  readonly source: number;
  /** u32, new on every start of the source */
  readonly epoch: number;
  /** u64, counts the source's messages within the epoch */
  readonly sequence: bigint;
}

export interface ExtensionBlock {
  /** 0x20 to 0x7f ignorable, 0x80 to 0xff critical */
  readonly type: number;
  readonly body: Uint8Array;
}
