import { beforeEach, expect, it } from 'vitest';
import { type Stallable, StalledBodies } from '../../../resolver/http/stalled-bodies.js';
import { VirtualClock } from '../../../runtime/virtual-clock.js';

class Body implements Stallable {
  progress = 0;
  paused = true;
  gone = false;

  isPaused(): boolean {
    return this.paused;
  }

  abandoned(): void {
    this.gone = true;
  }
}

let clock: VirtualClock;
let bodies: StalledBodies;

beforeEach(() => {
  clock = new VirtualClock();
  bodies = new StalledBodies(clock, 1000);
});

it('a body that stands still is given up after its time, and not before', async () => {
  const [early, late] = [new Body(), new Body()];
  bodies.add(early);
  await clock.advance(600);
  bodies.add(late);
  bodies.add(early);
  await clock.advance(399);
  expect([early.gone, late.gone]).toEqual([false, false]);
  await clock.advance(1);
  expect([early.gone, late.gone]).toEqual([true, false]);
  await clock.advance(600);
  expect(late.gone).toBe(true);
  expect(clock.pending).toBe(0);
});

it('a body that is read, however slowly, is not', async () => {
  const [slow, flowing] = [new Body(), new Body()];
  flowing.paused = false;
  bodies.add(slow);
  bodies.add(flowing);
  for (let n = 0; n < 10; n++) {
    slow.progress++;
    await clock.advance(900);
  }
  expect([slow.gone, flowing.gone]).toEqual([false, false]);
  await clock.advance(2000);
  expect([slow.gone, flowing.gone]).toEqual([true, false]);
});

it('no timer runs when no body is left, or after the end', async () => {
  const body = new Body();
  bodies.add(body);
  bodies.delete(body);
  expect(clock.pending).toBe(0);
  bodies.add(body);
  bodies.close();
  expect(clock.pending).toBe(0);
  await clock.advance(5000);
  expect(body.gone).toBe(false);
});
