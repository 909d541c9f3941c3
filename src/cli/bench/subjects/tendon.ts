import { join } from 'node:path';
import { MEMORY_SPINS } from '../polling.ts';
import type { Subject } from '../subject.ts';
import { callFace } from './call-face.ts';
import {
  acceptOne,
  ClaimingSender,
  contractFaces,
  dial,
  PolledSpin,
  PollingReceiver,
  type Way,
} from './connection-faces.ts';

/** Of the channel. */
const RING_BYTES_DEFAULT = 1 << 20;
const RECORD_SHARE = 4;
const RECORD_HEADER_BYTES = 64;

const shmWay: Way = {
  load: async () => (await import('../../../transport/shm/index.ts')).shmTransport,
  endpoint: () => 'shm:bench',
  spins: MEMORY_SPINS,
};

/** A frame is claimed whole: it must fit a record, which 1 MiB does not in a ring of the default size. */
const shmInPlaceWay: Way = {
  ...shmWay,
  listenOptions: ({ bytes }) => {
    let ringBytes = RING_BYTES_DEFAULT;
    while (ringBytes / RECORD_SHARE < bytes + RECORD_HEADER_BYTES) ringBytes *= 2;
    return { ringBytes };
  },
};

const withAddon = async (): Promise<string | undefined> => {
  const { nativeStatus } = await import('../../../os/index.ts');
  const status = nativeStatus();
  return status.available ? undefined : `without the addon: ${status.reason}`;
};

export const shm: Subject = {
  name: 'shm',
  summary: 'tendon shm: messages offered, which copies them; calls through tendon/rpc',
  group: 'tendon',
  between: 'processes',
  unavailable: withAddon,
  ...contractFaces(shmWay),
  calls: callFace(shmWay),
  spin: {
    responder: async (context) => new PolledSpin(await acceptOne(shmWay, context)),
    initiator: async (context) => new PolledSpin(await dial(shmWay, context)),
  },
};

export const shmInPlace: Subject = {
  name: 'shm-in-place',
  summary: 'tendon shm: messages claimed and written in place; for 1 MiB with a ring of 8 MiB',
  group: 'tendon',
  between: 'processes',
  unavailable: withAddon,
  oneWay: {
    responder: async (context) =>
      new PollingReceiver(await acceptOne(shmInPlaceWay, context), shmInPlaceWay.spins),
    initiator: async (context) => new ClaimingSender(await dial(shmInPlaceWay, context), shmInPlaceWay.spins),
  },
};

const unixWay: Way = {
  load: async () => (await import('../../../transport/unix/index.ts')).unixTransport,
  endpoint: ({ directory }) => `unix:${join(directory, 'tendon.sock')}`,
  spins: 0,
};

const tcpWay: Way = {
  load: async () => (await import('../../../transport/tcp/index.ts')).tcpTransport,
  endpoint: () => 'tcp://127.0.0.1:0',
  spins: 0,
};

export const unix: Subject = {
  name: 'unix',
  summary: 'tendon unix: messages offered; calls through tendon/rpc',
  group: 'tendon',
  between: 'processes',
  ...contractFaces(unixWay),
  calls: callFace(unixWay),
};

export const tcp: Subject = {
  name: 'tcp',
  summary: 'tendon tcp over the loopback device: messages offered; calls through tendon/rpc',
  group: 'tendon',
  between: 'processes',
  ...contractFaces(tcpWay),
  calls: callFace(tcpWay),
};

/** Both ends on one thread: they take turns by the event loop and share its context, where names are found. */
const inprocWay: Way = {
  load: async () => (await import('../../../transport/inproc/index.ts')).inprocTransport,
  endpoint: () => 'inproc:bench',
  spins: 0,
};

export const inproc: Subject = {
  name: 'inproc',
  summary: 'tendon inproc, both ends on one thread: messages offered; calls through tendon/rpc',
  group: 'tendon',
  between: 'callers',
  initiatorLives: 'same-thread',
  ...contractFaces(inprocWay),
  calls: callFace(inprocWay),
};
