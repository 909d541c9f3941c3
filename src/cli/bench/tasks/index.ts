import type {
  CallClient,
  CallServer,
  Dialer,
  Duplex,
  FaceName,
  Part,
  Receiver,
  Role,
  Sender,
  SpinDuplex,
  Task,
  TaskResult,
} from '../subject.ts';
import { answerCalls, makeCalls } from './calls.ts';
import { dialRepeatedly } from './connect.ts';
import { echoMessages, exchangeMessages } from './echo.ts';
import { awaitEnd, idle } from './liveness.ts';
import { receiveWindow, sendWindow } from './one-way.ts';
import type { SideReport } from './side.ts';
import { echoSpinning, pingSpinning } from './spin.ts';

export interface SideResult extends SideReport {
  /** processor time of this actor's process during the window */
  readonly cpuSeconds: number;
}

/** Runs one side of one window in an actor. */
export async function runSide(role: Role, face: FaceName, part: Part, task: Task): Promise<SideResult> {
  const before = process.cpuUsage();
  const report = await (role === 'responder' ? respond(face, part, task) : initiate(face, part, task));
  const { user, system } = process.cpuUsage(before);
  return { ...report, cpuSeconds: (user + system) / 1e6 };
}

/** Puts both reports together. @param sharesProcess both actors live in one process: its time counts once */
export function joinSides(
  task: Task,
  initiator: SideResult,
  responder: SideResult,
  sharesProcess: boolean,
): TaskResult {
  // One way, the window ends when the last message has arrived; everywhere else the initiator sees both ends.
  const lastNs = task.kind === 'one-way' ? responder.lastNs : initiator.lastNs;
  const lost = task.kind === 'one-way' ? Math.abs(initiator.count - responder.count) : 0;
  return {
    count: task.kind === 'one-way' ? responder.count : initiator.count,
    seconds: (lastNs - initiator.firstNs) / 1e9,
    cpuSeconds: sharesProcess
      ? Math.max(initiator.cpuSeconds, responder.cpuSeconds)
      : initiator.cpuSeconds + responder.cpuSeconds,
    faults: initiator.faults + responder.faults + lost,
    ...(initiator.percentiles && { percentiles: initiator.percentiles }),
  };
}

/** The casts below hold because an actor opens the face that the case names, and a face has one type of part. */
function initiate(face: FaceName, part: Part, task: Task): Promise<SideReport> | SideReport {
  switch (task.kind) {
    case 'one-way':
      return sendWindow(part as Sender, task);
    case 'round-trip':
      if (face === 'spin') return pingSpinning(part as SpinDuplex, task);
      if (face === 'calls') return makeCalls(part as CallClient, { ...task, inFlight: 1 });
      return exchangeMessages(part as Duplex, { ...task, inFlight: 1 });
    case 'echo':
      if (face === 'calls') return makeCalls(part as CallClient, { ...task, gapMs: 0 });
      return exchangeMessages(part as Duplex, { ...task, gapMs: 0 });
    case 'connect':
      return dialRepeatedly(part as Dialer, task);
    case 'idle':
      return idle(task);
    case 'death':
      throw new Error('the initiator of a death is killed, not run');
    default:
      return task satisfies never;
  }
}

function respond(face: FaceName, part: Part, task: Task): Promise<SideReport> | SideReport {
  switch (task.kind) {
    case 'one-way':
      return receiveWindow(part as Receiver, task);
    case 'round-trip':
    case 'echo':
      if (face === 'spin') return echoSpinning(part as SpinDuplex, task);
      if (face === 'calls') return answerCalls(part as CallServer, task);
      return echoMessages(part as Duplex, task);
    case 'connect':
      return idle({ seconds: task.seconds });
    case 'idle':
      return idle(task);
    case 'death':
      return awaitEnd(part as Duplex);
    default:
      return task satisfies never;
  }
}
