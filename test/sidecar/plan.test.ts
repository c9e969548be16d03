import { expect, test } from 'vitest';
import { VirtualClock } from '../../runtime/virtual-clock.js';
import { planServices } from '../../sidecar/plan.js';
import { load } from '../helpers/config.js';
import { problemsOf } from '../helpers/problems.js';

const SERVICES = [
  { name: 'orders', port: 8080, address: 'interface:nowhere0' },
  {
    name: 'users',
    port: 8081,
    address: '10.0.0.1',
    probes: ['tcp', { type: 'http', path: '/health', tls: { ca: '/nowhere/ca.pem' } }],
  },
];

test('each service becomes its instance and its probes, and nothing runs yet', async () => {
  const clock = new VirtualClock();
  const { config } = await load({
    file: {
      services: [{ name: 'orders', port: 8080, id: 'a', address: '10.0.0.1', probes: ['tcp', 'ttl:5s'] }],
    },
  });
  const [{ instance, probes } = { instance: undefined, probes: [] }] = await planServices(config, { clock });
  expect(instance).toMatchObject({ service: 'orders', id: 'a', endpoint: { host: '10.0.0.1', port: 8080 } });
  expect(probes.map(({ probe }) => probe.name)).toEqual(['tcp', 'ttl']);
  expect(clock.pending).toBe(0);
});

test('everything that this machine cannot do is said at once, each with its path', async () => {
  const { config } = await load({ file: { registry: 'zookeeper://127.0.0.1:1', services: SERVICES } });
  const problems = await problemsOf(planServices(config, { clock: new VirtualClock() }));
  expect(problems).toHaveLength(2);
  expect(problems[0]).toMatch(/^expected .*nowhere0.*, got none, at services\[0\]\.address$/s);
  expect(problems[1]).toMatch(/^expected a file of certificates.*, at services\[1\]\.probes\[1\]\.tls\.ca$/);
});
