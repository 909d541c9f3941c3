import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { type Agent, Poller } from './agent.ts';

/** An agent whose work is a number that the test sets. */
class Scripted implements Agent {
  readonly name = 'scripted';
  work = 0;
  cycles = 0;
  parks = 0;
  unparks = 0;
  failures: unknown[] = [];
  wake: (() => void) | undefined;
  onWork: () => void = () => {};
  doWork(): number {
    this.cycles++;
    this.onWork();
    if (this.work === 0) return 0;
    this.work--;
    return 1;
  }
  park(wake: () => void): boolean {
    this.parks++;
    if (this.work > 0) return false;
    this.wake = wake;
    return true;
  }
  unpark(): void {
    this.unparks++;
    this.wake = undefined;
  }
  failed(error: unknown): void {
    this.failures.push(error);
  }
}

async function turns(count: number): Promise<void> {
  for (let index = 0; index < count; index++) await turn();
}

describe('Poller', () => {
  it('does not spin for an agent that the event loop wakes', async () => {
    const poller = new Poller({ spinMs: 60_000 });
    const agent = new Scripted();
    poller.add(Object.assign(agent, { parksAtOnce: true }));
    await turns(3);
    assert.equal(poller.activeAgents, 0);
    assert.equal(agent.parks, 1);
  });

  it('runs the others on when an agent throws and its report of that throws too', async () => {
    const poller = new Poller({ spinMs: 0 });
    const good = new Scripted();
    good.work = 1000;
    poller.add(good);
    const bad = new Scripted();
    bad.doWork = () => {
      throw new Error('the first');
    };
    bad.failed = () => {
      throw new Error('the second');
    };
    poller.add(bad);
    const caught: string[] = [];
    // The runner listens for these too; for the moment they are ours.
    const others = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.on('uncaughtException', (error) => caught.push(error.message));
    try {
      await turns(3);
      const { work } = good;
      await turns(3);
      assert.ok(good.work < work, 'nobody is asked any more');
    } finally {
      process.removeAllListeners('uncaughtException');
      for (const listener of others) process.on('uncaughtException', listener);
    }
    assert.deepEqual(caught, ['the second']);
    assert.equal(poller.agents, 1);
    good.work = 0;
  });

  it('parks an agent without work and wakes it again', async () => {
    const poller = new Poller({ spinMs: 0 });
    const agent = new Scripted();
    agent.work = 3;
    poller.add(agent);
    await turns(8);
    assert.equal(agent.work, 0);
    assert.equal(poller.activeAgents, 0);
    const { cycles } = agent;
    await turns(4);
    assert.equal(agent.cycles, cycles, 'a parked agent is not asked');
    agent.work = 1;
    agent.wake!();
    agent.wake?.();
    await turns(4);
    assert.equal(agent.work, 0);
    assert.equal(agent.unparks, 1);
    assert.equal(poller.activeAgents, 0);
  });

  it('keeps asking for spinMs before it parks', async () => {
    let now = 0;
    const clock = { nowMs: () => now, setTimer: () => ({ cancel() {} }) };
    const poller = new Poller({ spinMs: 5, clock });
    const agent = new Scripted();
    poller.add(agent);
    await turns(100);
    assert.equal(agent.parks, 0);
    now = 5;
    await turns(40);
    assert.equal(agent.parks, 1);
  });

  it('parks at once after a spin in vain, until short sleeps say that spinning may pay', async () => {
    let now = 0;
    const clock = { nowMs: () => now, setTimer: () => ({ cancel() {} }) };
    const poller = new Poller({ spinMs: 5, clock });
    const agent = new Scripted();
    const handle = poller.add(agent);
    /** Turns until it parks, with time passing by the turn, and wakes it with work after `asleepMs`. */
    const cycle = async (asleepMs: number): Promise<number> => {
      const before = agent.cycles;
      for (const parks = agent.parks; agent.parks === parks; now += 1) await turn();
      const cycles = agent.cycles - before;
      now += asleepMs;
      agent.work = 1;
      agent.wake?.();
      return cycles;
    };
    assert.ok((await cycle(100)) > 5, 'it spun the first time');
    for (let n = 0; n < 5; n++) assert.ok((await cycle(100)) <= 2, 'long sleeps: no spin');
    assert.ok((await cycle(0)) <= 2, 'the last time without');
    assert.ok((await cycle(0)) > 5, 'a short sleep: spinning is tried again');
    for (let n = 0; n < 2; n++)
      assert.ok((await cycle(0)) <= 2, 'in vain again: three short sleeps before the next');
    assert.ok((await cycle(0)) > 5);
    handle.remove();
  });

  it('goes on spinning as long as work comes while it spins', async () => {
    let now = 0;
    const clock = { nowMs: () => now, setTimer: () => ({ cancel() {} }) };
    const poller = new Poller({ spinMs: 5, clock });
    const agent = new Scripted();
    const handle = poller.add(agent);
    for (let n = 0; n < 300; n++) {
      await turn();
      now += 0.1;
      if (n % 20 === 19) agent.work = 1;
    }
    assert.equal(agent.parks, 0);
    handle.remove();
  });

  it('does not lose work that appears while it parks', async () => {
    const poller = new Poller({ spinMs: 0 });
    const agent = new Scripted();
    const park = agent.park.bind(agent);
    agent.park = (wake) => {
      if (agent.parks === 0) agent.work = 2; // arrives after doWork said 0
      return park(wake);
    };
    poller.add(agent);
    await turns(8);
    assert.equal(agent.work, 0);
  });

  it('survives an agent that rings while it arms', async () => {
    const poller = new Poller({ spinMs: 0 });
    const agent = new Scripted();
    const park = agent.park.bind(agent);
    agent.park = (wake) => {
      const parked = park(wake);
      if (agent.parks < 3) wake();
      return parked;
    };
    poller.add(agent);
    await turns(12);
    assert.equal(agent.parks, 3);
    assert.equal(poller.activeAgents, 0);
  });

  it('removes an agent that throws, tells it, and goes on with the others', async () => {
    const poller = new Poller({ spinMs: 0 });
    const bad = new Scripted();
    const good = new Scripted();
    bad.onWork = () => {
      throw new Error('broken agent');
    };
    good.work = 3;
    poller.add(bad);
    poller.add(good);
    await turns(8);
    assert.equal(bad.cycles, 1);
    assert.match(String(bad.failures[0]), /broken agent/);
    assert.equal(good.work, 0);
    assert.equal(poller.agents, 1);
  });

  it('lets an agent remove itself while it works, and another while that is parked', async () => {
    const poller = new Poller({ spinMs: 0 });
    const sleeper = new Scripted();
    const handle = poller.add(sleeper);
    await turns(4);
    const agent = new Scripted();
    agent.work = 10;
    const own = poller.add(agent);
    agent.onWork = () => {
      own.remove();
      handle.remove();
    };
    await turns(4);
    assert.equal(agent.cycles, 1);
    assert.equal(sleeper.unparks, 1);
    assert.equal(poller.agents, 0);
  });
});
