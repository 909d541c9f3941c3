/** The contract that the processes of these tests share. */
import { defineService, method } from 'tendon/rpc';
import type { Transport } from 'tendon/transport';
import { shmTransport } from 'tendon/transport/shm';
import { tcpTransport } from 'tendon/transport/tcp';
import { unixTransport } from 'tendon/transport/unix';

export interface ServerReport {
  readonly activeHandlers: number;
  readonly abortedHandlers: number;
  readonly cancelledRequests: number;
  readonly timeoutRequests: number;
  readonly droppedConnections: number;
  readonly connections: number;
  readonly notes: number;
}

export const testService = defineService('process-tests', {
  methods: {
    echo: method<
      { readonly n: number; readonly text: string },
      { readonly n: number; readonly text: string }
    >(),
    bytes: method<Uint8Array, Uint8Array>({ codec: 'bytes' }),
    /** answers after `ms`, or never when it is aborted before */
    sleep: method<number, string>(),
    refuse: method<string, never>(),
    report: method<void, ServerReport>(),
    note: method<string>({ oneWay: true }),
  },
});

export const TRANSPORTS: Readonly<Record<string, Transport>> = {
  shm: shmTransport,
  unix: unixTransport,
  tcp: tcpTransport,
};
