import type { Subject } from '../subject.ts';
import { bareRing, bareRingInPlace } from './bare-ring.ts';
import { cRing } from './c-ring.ts';
import { grpc } from './grpc.ts';
import { messagePort } from './message-port.ts';
import { netCorked, netNaive } from './net-socket.ts';
import { processSend } from './process-send.ts';
import { inproc, shm, shmInPlace, tcp, unix } from './tendon.ts';
import { zeromq } from './zeromq.ts';

/** All subjects, in the order of the tables. Their libraries are loaded when they are opened. */
export const SUBJECTS: readonly Subject[] = [
  shm,
  shmInPlace,
  unix,
  tcp,
  inproc,
  bareRing,
  bareRingInPlace,
  cRing,
  netCorked,
  netNaive,
  processSend,
  messagePort,
  zeromq,
  grpc,
];

export function findSubject(name: string): Subject {
  const subject = SUBJECTS.find((candidate) => candidate.name === name);
  if (subject === undefined) throw new Error(`no subject ${name}`);
  return subject;
}
