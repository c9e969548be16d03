/** The example of a backend keeps both halves of the contract. */
import { afterAll, describe, expect, test } from 'vitest';
import { Memory, MemoryRegistry } from '../../examples/custom-backend.mjs';
import { instanceOf, seededRandom } from '../../registry/testing/index.js';
import { connect } from '../../resolver/index.js';
import { systemClock } from '../../runtime/clock.js';
import { testRegistryContract } from '../contract/run-contract.js';

/** A memory has no TTL: this is how long the harness lets the entry of a killed owner live. */
const TTL_MS = 100;

const memory = new Memory();
const ends: (() => void)[] = [];
afterAll(() => {
  for (const end of ends) end();
});

testRegistryContract('the memory of custom-backend.mjs', () => ({
  ttlMs: TTL_MS * 5,
  open: async () => new MemoryRegistry(memory),

  async publish(service, instances) {
    for (const id of memory.services.get(service)?.keys() ?? []) {
      if (!instances.some((instance) => instance.id === id)) memory.write(service, id, undefined);
    }
    const writer = new MemoryRegistry(memory);
    for (const instance of instances) await writer.register(instance);
  },

  async poison(service, name) {
    memory.write(service, name, { data: Buffer.from('{"port": "eighty"') });
  },

  async spoil({ service, id }) {
    memory.write(service, id, {
      ...memory.services.get(service)?.get(id),
      data: Buffer.from('{"port": "eighty"'),
    });
  },

  /** Nobody else can be in this process's memory, so an owner that dies is one that says nothing more. */
  async startOwner(instance) {
    await new MemoryRegistry(memory).register(instance);
    const entry = memory.services.get(instance.service)?.get(instance.id);
    const expire = (): void => {
      const isStillThere = memory.services.get(instance.service)?.get(instance.id) === entry;
      if (isStillThere) memory.write(instance.service, instance.id, undefined);
    };
    return { kill: async () => void ends.push(systemClock.after(TTL_MS, expire)) };
  },

  async remove({ service, id }) {
    memory.write(service, id, undefined);
  },

  /** There is no server; what can happen to its readers is a change they know already. */
  async restart() {
    for (const service of memory.services.keys()) memory.changes.emit(service);
  },
}));

describe('a caller', () => {
  test('can be tested with it, without a server', async () => {
    const registry = new MemoryRegistry(new Memory());
    await registry.register(instanceOf({ service: 'orders', id: 'one', port: 8080 }));
    const discovery = await connect(registry, {
      addresses: { allowLoopback: true },
      random: seededRandom(1),
    });
    const orders = discovery.service('orders');
    await orders.ready();
    expect(orders.pick().endpoint).toEqual({ host: '127.0.0.1', port: 8080 });
    await discovery.close();
    await registry.close();
  });
});
