import { isMainThread } from 'node:worker_threads';
import { type Clock, SYSTEM_CLOCK } from './clock.ts';
import { durationOption, refuseUnknownOptions } from './options.ts';

/**
 * A duty cycle: something that is asked again and again whether there is work.
 * All agents of a poller run on its thread; none may block.
 */
export interface Agent {
  /** For people: shown in errors and diagnostics. */
  readonly name: string;
  /**
   * The event loop itself wakes this agent, at no cost (a socket of Node's): it parks as soon as it is idle, since
   * spinning would only take the time of others. Default: it is polled for `spinMs` first.
   */
  readonly parksAtOnce?: boolean;
  /** Does a bounded piece of work and says how much it was; 0 when there was nothing to do. */
  doWork(): number;
  /**
   * Prepares to sleep. The agent arranges that `wake` is called when work appears, and checks once more:
   * `false` means that work is there already and the agent must not sleep (nothing stays armed then).
   *
   * `wake(true)` is for callers straight from the event loop with nothing else on the stack: the agent works before
   * it returns. Everybody else's `wake()` lets it work in the next turn.
   */
  park(wake: (atOnce?: boolean) => void): boolean;
  /** Takes back what `park` arranged. */
  unpark(): void;
  /**
   * `doWork`, `park` or `unpark` threw. The agent has been removed from the poller. What this throws surfaces as an
   * uncaught exception; the other agents run on.
   */
  failed(error: unknown): void;
}

export interface PollerOptions {
  /** How long an agent without work is still polled before it parks, in ms; 0.2 on a main thread, 0.02 in a worker. */
  readonly spinMs?: number;
  /** Measures `spinMs`. */
  readonly clock?: Clock;
}

/** What `Poller.add` returns: the way out. */
export interface AgentHandle {
  /** Stops the duty cycle; idempotent, allowed from within the agent's own `doWork`. */
  remove(): void;
  /** Makes a sleeping agent work again, as its own `wake` would; for work that came from elsewhere. */
  wake(): void;
}

/** After many spins in vain, spinning is tried again once in so many short sleeps. */
const MOST_PARKS_BEFORE_SPIN = 255;

/** Idle turns between two looks at the clock: reading it allocates, and a turn of the event loop is about 1 us. */
const TURNS_PER_CLOCK_READ = 16;

/**
 * Runs agents on the event loop of this thread, one per thread (it is part of the context).
 *
 * An agent that has work is asked once per turn of the event loop (`setImmediate`), so timers and sockets keep
 * their share. One that has none for `spinMs` parks: it arms its doorbell and costs nothing until it is woken. One
 * that spun in vain parks at once the next times, so an agent whose work comes rarely, or from a process on the same
 * core, does not burn `spinMs` for each piece of it.
 * When all are parked nothing of the poller is left in the event loop.
 */
export class Poller {
  readonly #spinMs: number;
  readonly #clock: Clock;
  readonly #active: Duty[] = [];
  readonly #turn = (): void => {
    this.#scheduled = false;
    this.#run(0);
  };
  #scheduled = false;
  #running = false;
  #size = 0;

  constructor(options: PollerOptions = {}) {
    refuseUnknownOptions('Poller', options, ['spinMs', 'clock']);
    this.#spinMs = durationOption('spinMs', options.spinMs ?? (isMainThread ? 0.2 : 0.02));
    this.#clock = options.clock ?? SYSTEM_CLOCK;
  }

  /** Agents that are being asked in every turn at the moment; the others are parked. */
  get activeAgents(): number {
    return this.#active.length;
  }

  /** All agents, parked ones included. */
  get agents(): number {
    return this.#size;
  }

  /** Starts the duty cycle of `agent` in the next turn of the event loop. */
  add(agent: Agent): AgentHandle {
    const duty = new Duty(agent, this.#wake);
    this.#size++;
    this.#activate(duty);
    this.#schedule();
    return {
      remove: () => this.#remove(duty),
      wake: () => this.#wake(duty, false),
    };
  }

  readonly #wake = (duty: Duty, atOnce: boolean): void => {
    if (duty.state !== PARKED) return;
    duty.state = ACTIVE;
    // Only a sleep that spinning could have covered brings the next attempt at spinning nearer.
    if (duty.parksBeforeSpin > 0 && this.#clock.nowMs() - duty.parkedAtMs < this.#spinMs)
      duty.parksBeforeSpin--;
    try {
      duty.agent.unpark();
    } catch (error) {
      this.#fail(duty, error);
      return;
    }
    this.#activate(duty);
    if (atOnce && !this.#running) this.#run(this.#active.length - 1);
    else this.#schedule();
  };

  #activate(duty: Duty): void {
    duty.state = ACTIVE;
    duty.idleTurns = 0;
    this.#active.push(duty);
  }

  #schedule(): void {
    if (this.#scheduled || this.#running) return;
    this.#scheduled = true;
    setImmediate(this.#turn);
  }

  /** One duty cycle of each active agent from the `first` of the list on. */
  #run(first: number): void {
    this.#running = true;
    const active = this.#active;
    const count = active.length; // agents that are woken during this turn wait for the next one
    for (let index = first; index < count; index++) {
      const duty = active[index]!;
      if (duty.state !== ACTIVE) continue;
      try {
        this.#ask(duty);
      } catch (error) {
        this.#fail(duty, error);
      }
    }
    this.#sweep();
    this.#running = false;
    if (active.length > 0) this.#schedule();
  }

  /** One duty cycle of one agent. */
  #ask(duty: Duty): void {
    let work = duty.agent.doWork();
    if (work > 0) {
      if (duty.idleTurns > 0) duty.failedSpins = 0; // work came while it spun: that pays
      duty.idleTurns = 0;
      if (this.#spins(duty) || duty.state !== ACTIVE) return;
      work = duty.agent.doWork(); // it will sleep when this was all: a turn of the loop less
    }
    if (work === 0 && duty.state === ACTIVE) this.#idle(duty);
  }

  #spins(duty: Duty): boolean {
    return this.#spinMs > 0 && duty.parksBeforeSpin === 0 && duty.agent.parksAtOnce !== true;
  }

  /** An agent without work spins on for `spinMs` where that has paid lately, then sleeps unless work came in between. */
  #idle(duty: Duty): void {
    if (this.#spins(duty)) {
      const turns = duty.idleTurns++;
      if (turns % TURNS_PER_CLOCK_READ !== 0) return;
      const now = this.#clock.nowMs();
      if (turns === 0) {
        duty.idleSinceMs = now;
        return;
      }
      if (now - duty.idleSinceMs < this.#spinMs) return;
      // In vain: whoever we wait for is slow, or wants the core that we spin on. Sleep at once the next times.
      duty.failedSpins = Math.min(duty.failedSpins * 2 + 1, MOST_PARKS_BEFORE_SPIN);
      duty.parksBeforeSpin = duty.failedSpins;
    }
    duty.parkedAtMs = this.#clock.nowMs();
    duty.state = PARKED; // before park(): what it arms may ring at once
    if (!duty.agent.park(duty.wake) && duty.state === PARKED) {
      duty.state = ACTIVE;
      duty.idleTurns = 0;
    }
  }

  /** Drops what is not active from the list, keeping the order. */
  #sweep(): void {
    const active = this.#active;
    let kept = 0;
    for (let index = 0; index < active.length; index++) {
      const duty = active[index]!;
      if (duty.state === ACTIVE && duty.listed !== this) {
        duty.listed = this;
        active[kept++] = duty;
      }
    }
    active.length = kept;
    for (let index = 0; index < kept; index++) active[index]!.listed = undefined;
  }

  #remove(duty: Duty): void {
    if (duty.state === REMOVED) return;
    const parked = duty.state === PARKED;
    duty.state = REMOVED;
    this.#size--;
    if (!this.#running) this.#sweep();
    if (parked) duty.agent.unpark();
  }

  #fail(duty: Duty, error: unknown): void {
    try {
      this.#remove(duty);
    } catch {
      // The agent is failing already; the first failure is the one to report.
    }
    try {
      duty.agent.failed(error);
    } catch (failure) {
      // The others run on; this one surfaces as an error of its program's.
      process.nextTick(() => {
        throw failure;
      });
    }
  }
}

const ACTIVE = 0;
const PARKED = 1;
const REMOVED = 2;

class Duty {
  readonly agent: Agent;
  readonly wake: (atOnce?: boolean) => void;
  state: typeof ACTIVE | typeof PARKED | typeof REMOVED = ACTIVE;
  idleTurns = 0;
  idleSinceMs = 0;
  parkedAtMs = 0;
  /** short sleeps to come before spinning is tried again */
  parksBeforeSpin = 0;
  /** grows with each spin in vain, 0 after one that paid */
  failedSpins = 0;
  /** Set while a sweep runs: one woken in the turn that parked it stands twice in the list. */
  listed: Poller | undefined = undefined;

  constructor(agent: Agent, wake: (duty: Duty, atOnce: boolean) => void) {
    this.agent = agent;
    this.wake = (atOnce = false) => wake(this, atOnce);
  }
}
