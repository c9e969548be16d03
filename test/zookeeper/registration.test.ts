import { describe, expect, test } from 'vitest';
import { instanceOf } from '../../registry/testing/harness.js';
import type { ZkSession, ZkState } from '../../registry/zookeeper/driver.js';
import { ZkRegistration } from '../../registry/zookeeper/registration.js';
import type { Held, Slot } from '../../registry/zookeeper/slot.js';
import { type Deferred, deferred } from '../../runtime/deferred.js';
import { Emitter } from '../../runtime/events.js';
import { VirtualClock } from '../../runtime/virtual-clock.js';
import { turns } from './fake-server.js';

const LIMIT_MS = 1_000;
const PATH = '/web/web-1';
const GIVEN_UP = new Error('something else is desired now');

const passing = instanceOf({ service: 'web', id: 'web-1' });
const warning = instanceOf({ service: 'web', id: 'web-1', status: 'warning' });

/** A slot whose writes take as long as the test says. */
class SlowSlot implements Slot {
  held: Held | undefined = { path: PATH, data: Buffer.from('passing') };
  readonly isTaken = false;
  readonly done: string[] = [];
  #blocked: Deferred<void> | undefined;

  block(): void {
    this.#blocked = deferred();
  }

  release(): void {
    this.#blocked?.resolve();
  }

  async put({ data }: { data: Uint8Array }): Promise<void> {
    await this.#blocked?.promise;
    this.held = { path: PATH, data };
    this.done.push('put');
  }

  async hide(): Promise<void> {}

  async clear(): Promise<void> {
    this.held = undefined;
    this.done.push('clear');
  }

  async lostReason(): Promise<'deleted'> {
    return 'deleted';
  }
}

/** A registration on a session that only knows the own node, and the watches that were asked for on it. */
function registered() {
  const states = new Emitter<ZkState>();
  const watchers: (() => void)[] = [];
  const slot = new SlowSlot();
  const clock = new VirtualClock();
  const stat = { czxid: 1, mzxid: 1, pzxid: 1, version: 0, owner: 'mine' };
  const exists = async (_path: string, onChange?: () => void) => {
    if (onChange !== undefined) watchers.push(onChange);
    return stat;
  };
  const get = async () => ({ data: slot.held?.data, stat });
  const session = { id: 'mine', state: 'connected', onState: states.event, exists, get };
  const registration = new ZkRegistration(passing, {
    session: session as unknown as ZkSession,
    slot,
    encode: ({ id, status }) => ({ name: id, data: Buffer.from(status) }),
    clock,
    limitMs: LIMIT_MS,
    onOver: () => {},
    onLeft: () => {},
  });
  return { registration, slot, clock, states, watchers };
}

/** An update that was given up while the slot was writing it. */
async function givenUp({ registration, slot }: ReturnType<typeof registered>): Promise<void> {
  const abort = new AbortController();
  slot.block();
  const updated = registration.update(warning, { signal: abort.signal });
  await turns(1);
  abort.abort(GIVEN_UP);
  await expect(updated).rejects.toBe(GIVEN_UP);
}

test('reconnects leave one watch on the own node, however many there were', async () => {
  const { states, watchers } = registered();
  for (let reconnects = 0; reconnects < 5; reconnects++) {
    states.emit('suspended');
    states.emit('connected');
    await turns(1);
  }
  expect(watchers.length).toBe(6);
  expect(new Set(watchers).size).toBe(1);
});

test('a watch that is called twice, by a driver that held it twice, looks once', async () => {
  const { watchers } = registered();
  await turns(1);
  const [watcher] = watchers;
  watcher?.();
  watcher?.();
  await turns(1);
  expect(watchers.length).toBe(2);
  watchers[1]?.();
  await turns(1);
  expect(watchers.length).toBe(3);
});

describe('an update that is given up while it is being written', () => {
  test('and takes effect later leaves an entry that is changed, which an update repairs', async () => {
    const scene = registered();
    const { registration, slot } = scene;
    await givenUp(scene);
    expect(registration.instance).toBe(passing);
    slot.release();
    expect(await registration.confirm()).toBe('changed');
    await registration.update(registration.instance);
    expect(await registration.confirm()).toBe('present');
    expect(Buffer.from(slot.held?.data ?? []).toString()).toBe('passing');
  });

  test('is waited for by close, which removes what it wrote', async () => {
    const scene = registered();
    const { registration, slot } = scene;
    await givenUp(scene);
    const closed = registration.close();
    await turns(1);
    expect(slot.done).toEqual([]);
    slot.release();
    await closed;
    expect(slot.done).toEqual(['put', 'clear']);
  });

  test('and hangs keeps close no longer than its limit', async () => {
    const scene = registered();
    await givenUp(scene);
    const closed = expect(scene.registration.close()).rejects.toMatchObject({ code: 'TIMEOUT' });
    await scene.clock.advance(LIMIT_MS);
    await closed;
  });

  test('and hangs keeps close no longer than its signal', async () => {
    const scene = registered();
    await givenUp(scene);
    const abort = new AbortController();
    const closed = scene.registration.close({ signal: abort.signal });
    abort.abort(GIVEN_UP);
    await expect(closed).rejects.toBe(GIVEN_UP);
  });
});

test('an update whose turn comes after it was given up writes nothing', async () => {
  const scene = registered();
  const { registration, slot } = scene;
  await givenUp(scene);
  const abort = new AbortController();
  const second = registration.update(passing, { signal: abort.signal });
  abort.abort(GIVEN_UP);
  await expect(second).rejects.toBe(GIVEN_UP);
  slot.release();
  await registration.confirm();
  expect(slot.done).toEqual(['put']);
});
