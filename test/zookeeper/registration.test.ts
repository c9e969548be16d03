import { expect, test } from 'vitest';
import { parseInstance } from '../../registry/instance.js';
import type { ZkSession, ZkState } from '../../registry/zookeeper/driver.js';
import { ZkRegistration } from '../../registry/zookeeper/registration.js';
import type { Slot } from '../../registry/zookeeper/slot.js';
import { systemClock } from '../../runtime/clock.js';
import { Emitter } from '../../runtime/events.js';
import { turns } from './fake-server.js';

/** A registration on a session that only knows the own node, and the watches that were asked for on it. */
function registered() {
  const states = new Emitter<ZkState>();
  const watchers: (() => void)[] = [];
  const exists = async (_path: string, onChange?: () => void) => {
    if (onChange !== undefined) watchers.push(onChange);
    return { czxid: 1, mzxid: 1, pzxid: 1, version: 0, owner: 'mine' };
  };
  const session = { id: 'mine', state: 'connected', onState: states.event, exists } as unknown as ZkSession;
  const instance = parseInstance({ service: 'web', id: 'web-1', host: '10.0.0.1', port: 80 });
  if (!instance.ok) throw new Error('the instance is wrong');
  const held = { path: '/web/web-1', data: Buffer.from('{}') };
  const options = {
    session,
    slot: {} as Slot,
    write: async () => held,
    clock: systemClock,
    limitMs: 1_000,
    onClose: () => {},
  };
  return { registration: new ZkRegistration(instance.value, held, options), states, watchers };
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
