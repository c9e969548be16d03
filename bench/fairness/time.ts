/**
 * Time that passes only when it is told to, for those who are given a clock and for those who ask the process: its dates
 * and timers are the ones of `node:test` meanwhile.
 */
import { mock } from 'node:test';
import { HandClock } from '../../test/simulator/hand-clock.js';

const STARTED_AT = Date.UTC(2026, 0, 1);

export class Time extends HandClock {
  constructor() {
    super();
    mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: STARTED_AT });
  }

  override advance(ms: number): void {
    super.advance(ms);
    mock.timers.tick(ms);
  }

  /** Gives the process its own time back. */
  end(): void {
    mock.timers.reset();
  }
}
