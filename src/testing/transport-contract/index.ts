import { describe } from 'node:test';
import { backPressureTests } from './back-pressure.ts';
import { broadcastTests } from './broadcasting.ts';
import { carryingTests } from './carrying.ts';
import { Fixture, type TransportUnderTest } from './fixture.ts';
import { lifecycleTests } from './lifecycle.ts';
import { listeningTests } from './listening.ts';
import { receivingTests } from './receiving.ts';

export type { TransportUnderTest } from './fixture.ts';

/**
 * Registers the suite that every transport passes, with `node:test`:
 *
 *     transportContract('unix:', { transport: unixTransport, freshEndpoint, capabilities, active: 'unix' });
 *
 * It asserts what happens, never how fast; every wait has a deadline that says what was waited for.
 */
export function transportContract(name: string, subject: TransportUnderTest): void {
  const fixture = new Fixture(subject);
  describe(`${name} keeps the transport contract`, () => {
    describe('carrying frames', () => carryingTests(fixture));
    describe('back-pressure', () => backPressureTests(fixture));
    describe('receiving', () => receivingTests(fixture));
    describe('lifecycle', () => lifecycleTests(fixture));
    describe('listening and connecting', () => listeningTests(fixture));
    describe('broadcast', () => broadcastTests(fixture));
  });
}
