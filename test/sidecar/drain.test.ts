import { describe, expect, test } from 'vitest';
import { linkedAbort } from '../../runtime/abort.js';
import { VirtualClock } from '../../runtime/virtual-clock.js';
import { type DrainSubject, drain } from '../../sidecar/drain.js';

const settings = { propagationMs: 200, waitMs: 5_000, timeoutMs: 25_000 };

/** A drain on a virtual clock; each line of `seen` is a step and the moment at which it came. */
function scene(overrides: Partial<DrainSubject> = {}) {
  const clock = new VirtualClock();
  const begun = clock.now();
  const seen: string[] = [];
  const note = (what: string): void => void seen.push(`${what} ${Math.round(clock.now() - begun)}`);
  const stop = linkedAbort();
  const subject: DrainSubject = {
    isListed: () => true,
    works: () => true,
    mark: async () => {},
    withdraw: async () => {},
    inFlight: async () => undefined,
    ...overrides,
  };
  const ended = drain(subject, { settings, clock, signal: stop.signal, onPhase: note }).then(
    (isOver) => note(isOver ? 'over' : 'cap'),
    () => note('taken back'),
  );
  return { clock, begun, seen, stop, ended };
}

const never = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));

describe('a drain', () => {
  test('marks, lets callers hear of it, deregisters, and waits where nobody says what is in flight', async () => {
    const { clock, seen } = scene();
    await clock.advance(30_000);
    expect(seen).toEqual([
      'marking 0',
      'propagating 0',
      'deregistering 200',
      'finishing 200',
      'drained 5200',
      'over 5200',
    ]);
  });

  test('ends as soon as nothing is in flight, where the service tells', async () => {
    const counts = [3, 2, 1, 0];
    const { clock, seen } = scene({ inFlight: async () => counts.shift() });
    await clock.advance(30_000);
    expect(seen.at(-1)).toBe('over 500');
  });

  test('asks for what was said after callers have heard of it', async () => {
    const moments: number[] = [];
    const { clock, begun } = scene({
      inFlight: async (_, since) => {
        moments.push(Math.round(since - begun));
        return moments.length < 3 ? 1 : 0;
      },
    });
    await clock.advance(1_000);
    expect(moments).toEqual([200, 200, 200]);
  });

  test('goes on beyond the wait while something is in flight, and ends at the cap', async () => {
    const { clock, seen } = scene({ inFlight: async () => 1 });
    await clock.advance(30_000);
    expect(seen.slice(-2)).toEqual(['drained 25000', 'cap 25000']);
  });

  test('waits for nobody where nothing was listed', async () => {
    const { clock, seen } = scene({ isListed: () => false });
    await clock.advance(0);
    expect(seen).toEqual(['deregistering 0', 'finishing 0', 'drained 0', 'over 0']);
  });

  test('does not wait for a service that is dead', async () => {
    let works = true;
    const { clock, seen } = scene({ works: () => works });
    await clock.advance(1_000);
    works = false;
    await clock.advance(1_000);
    expect(seen.at(-1)).toBe('over 1100');
  });

  test('goes on after a second when a registry does not take the mark, and then waits although nothing is in flight', async () => {
    const { clock, seen } = scene({ mark: never, inFlight: async () => 0 });
    await clock.advance(30_000);
    expect(seen).toEqual(['marking 0', 'deregistering 1000', 'finishing 1000', 'drained 6000', 'over 6000']);
  });

  test('gives what is in flight its time while the registry does not answer, and ends at the cap', async () => {
    const { clock, seen } = scene({ withdraw: never });
    await clock.advance(30_000);
    expect(seen).toEqual(['marking 0', 'propagating 0', 'deregistering 200', 'drained 25000', 'cap 25000']);
  });

  test.each([0, 100, 1_000, 5_199])('ends where it is when it is taken back after %d ms', async (ms) => {
    const { clock, seen, stop } = scene();
    await clock.advance(ms);
    stop.abort(new Error('undrain'));
    const before = seen.length;
    await clock.advance(30_000);
    expect(seen.slice(before)).toEqual([`taken back ${ms}`]);
  });
});
