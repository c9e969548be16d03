/** What calls say about the connection to a registry without sessions. */
import { expect, test } from 'vitest';
import { ConnectionState } from '../../registry/connection-state.js';
import type { RegistryState } from '../../registry/contract.js';
import { type Deferred, deferred } from '../../runtime/deferred.js';

/** One that takes every failure for silence, but for those that say otherwise. */
function connection(): { state: ConnectionState; moves: (readonly [RegistryState, string | undefined])[] } {
  const state = new ConnectionState((error, now) => {
    const { message } = error as Error;
    if (message === 'answered') return 'connected';
    if (message === 'denied') return 'denied';
    return now === 'connecting' ? now : 'suspended';
  });
  const moves: (readonly [RegistryState, string | undefined])[] = [];
  state.onChange((to) => moves.push([to, state.trouble]));
  return { state, moves };
}

const succeed = (state: ConnectionState) => state.track(undefined, async () => 'yes');
const fail = (state: ConnectionState, why: string, signal?: AbortSignal) =>
  state.track(signal, () => Promise.reject(new Error(why))).catch(() => {});

/** A call that ends when the test says so. */
function call(state: ConnectionState): Deferred<void> {
  const result = deferred<void>();
  void state.track(undefined, () => result.promise).catch(() => {});
  return result;
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

test('it moves with the newest call, and says why it is not connected before anybody is told', async () => {
  const { state, moves } = connection();
  expect([state.current, state.trouble]).toEqual(['connecting', undefined]);
  await fail(state, 'refused');
  expect([state.current, state.trouble]).toEqual(['connecting', 'refused']);
  await succeed(state);
  await fail(state, 'reset');
  await fail(state, 'refused again');
  expect([state.current, state.trouble]).toEqual(['suspended', 'refused again']);
  await fail(state, 'denied');
  await succeed(state);
  expect([state.current, state.trouble]).toEqual(['connected', undefined]);
  expect(moves).toEqual([
    ['connected', undefined],
    ['suspended', 'reset'],
    ['denied', 'denied'],
    ['connected', undefined],
  ]);
});

test('an old call that fails says nothing when one sent after it was answered', async () => {
  const { state, moves } = connection();
  const old = call(state);
  await succeed(state);
  old.reject(new Error('cut off'));
  await settle();
  expect([state.current, state.trouble, moves.length]).toEqual(['connected', undefined, 1]);
});

test('an old call that fails counts when none that was sent after it was answered', async () => {
  const { state } = connection();
  await succeed(state);
  const old = call(state);
  call(state);
  old.reject(new Error('cut off'));
  await settle();
  expect([state.current, state.trouble]).toEqual(['suspended', 'cut off']);
});

test('a call that the caller gave up says nothing, and a refusal that is an answer says connected', async () => {
  const { state } = connection();
  const gaveUp = new AbortController();
  gaveUp.abort();
  await fail(state, 'aborted', gaveUp.signal);
  expect(state.current).toBe('connecting');
  await fail(state, 'answered');
  expect([state.current, state.trouble]).toEqual(['connected', undefined]);
});

test('what expired is connected again at the next answer, and what is closed stays closed', async () => {
  const { state, moves } = connection();
  await succeed(state);
  state.expired('the lease is gone');
  await succeed(state);
  state.close();
  await succeed(state);
  expect(moves).toEqual([
    ['connected', undefined],
    ['expired', 'the lease is gone'],
    ['connected', undefined],
    ['closed', undefined],
  ]);
});
