import { TendonError } from '../../core/index.ts';
import type { LifeLine } from './life-line.ts';
import { MessageParser } from './message-parser.ts';

/** Who gets what arrives on a life-line: the handshake first, then the connection. */
export interface LineSink {
  /** `body` is valid during the call */
  message(type: number, body: Uint8Array): void;
  /** once for all doorbells of a read, with nothing but the event loop below */
  doorbell(): void;
  /** the stream ended; `midway` inside a message */
  ended(cause: Error | undefined, midway: boolean): void;
  drained(): void;
  /** the stream is out of step or a message was impossible; nothing more is read */
  failed(error: TendonError): void;
}

/** A life-line with its parser, handed from the handshake to the connection without losing a byte. */
export class ChannelLine {
  readonly life: LifeLine;
  readonly endpoint: string;
  readonly parser: MessageParser;
  sink: LineSink;
  #failed = false;
  #rung = false;

  constructor(life: LifeLine, endpoint: string, sink: LineSink) {
    this.life = life;
    this.endpoint = endpoint;
    this.sink = sink;
    this.parser = new MessageParser(
      endpoint,
      (type, body) => this.sink.message(type, body),
      () => {
        this.#rung = true;
      },
    );
  }

  start(): void {
    this.life.start({
      onBytes: (bytes) => this.#receive(bytes),
      onEnd: (cause) => {
        if (!this.#failed) this.sink.ended(cause, this.parser.midway);
      },
      onDrained: () => this.sink.drained(),
    });
  }

  #receive(bytes: Uint8Array): void {
    if (this.#failed) return;
    try {
      this.parser.push(bytes);
    } catch (error) {
      this.#failed = true;
      if (!TendonError.is(error)) throw error;
      this.life.pauseReading();
      this.sink.failed(error);
      return;
    }
    if (!this.#rung) return;
    this.#rung = false; // after the messages that came with it: what it wakes may close the line
    this.sink.doorbell();
  }
}
