/** Consul in the contract suites, on a real agent. */
import { afterAll, beforeAll } from 'vitest';
import { entryId } from '../../registry/consul/entry.js';
import { openWritable } from '../../registry/open.js';
import { type RunningServer, startServer } from '../servers/index.js';
import { publisherFor, startOwner, testRegistryContract } from './run-contract.js';

let server: RunningServer;
// A thousand registrations beat on one agent here: a shorter TTL would measure the machine.
const url = (): string => `consul://${server.address}?ttl=10s&wait=5s`;
const publisher = publisherFor(url);

beforeAll(async () => {
  server = await startServer('consul');
});

afterAll(async () => {
  await publisher.close();
  await server.stop();
});

async function put(path: string, body?: object): Promise<void> {
  const answer = await fetch(`http://${server.address}/v1/agent/service/${path}`, {
    method: 'PUT',
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
}

testRegistryContract('consul', () => ({
  ttlMs: 12_000,
  open: () => openWritable(url()),
  publish: publisher.publish,
  startOwner: (instance) => startOwner(url(), instance),
  spoil: async ({ service, id }) => {
    const found = await fetch(`http://${server.address}/v1/agent/service/${entryId(service, id)}`);
    const { ID, Meta } = (await found.json()) as { readonly ID: string; readonly Meta: object };
    await put('register', { ID, Name: service, Meta, Port: 0 });
  },
  poison: (service, name) => put('register', { ID: name, Name: service, Port: 0 }),
  remove: ({ service, id }) => put(`deregister/${entryId(service, id)}`),
  restart: () => server.restart(),
}));
