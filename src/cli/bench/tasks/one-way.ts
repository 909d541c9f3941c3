import { MessageReader, MessageSink, MessageSource, MessageWriter } from '../message.ts';
import type { Receiver, Sender, Task } from '../subject.ts';
import { monotonicNs, type SideReport } from './side.ts';

type OneWay = Extract<Task, { kind: 'one-way' }>;

export async function sendWindow(sender: Sender, task: OneWay): Promise<SideReport> {
  const writer = new MessageWriter(task.bytes);
  const firstNs = monotonicNs();
  const source = new MessageSource(writer, task.seconds);
  await sender.sendAll(source);
  return { count: source.written, faults: 0, firstNs, lastNs: monotonicNs() };
}

export async function receiveWindow(receiver: Receiver, task: OneWay): Promise<SideReport> {
  const sink = new MessageSink(new MessageReader(task.bytes, task.verify));
  const firstNs = monotonicNs();
  await receiver.receiveAll(sink);
  return { count: sink.received, faults: sink.faults, firstNs, lastNs: monotonicNs() };
}
