/** What `--print-config` shows can be given back as the file, and holds no secret. */
import { expect, test } from 'vitest';
import { printJson, printYaml } from '../../sidecar/config/print.js';
import { load } from '../helpers/config.js';

const everything = {
  registry: ['zookeeper://10.0.0.1:2181,10.0.0.2:2181/prod', 'consul://10.0.0.3'],
  admin: '[::1]:9191',
  logLevel: 'debug',
  enableExecProbe: true,
  address: 'cidr:10.0.0.0/8',
  interval: '90s',
  startGrace: '1500ms',
  services: [
    {
      name: 'orders',
      port: 8080,
      id: 'orders-1',
      weight: 2.5,
      tags: ['a', 'b'],
      zone: 'eu-1',
      version: '1.10',
      metadata: { team: 'data', note: 'yes' },
      require: { atLeast: 3 },
      probes: [
        'tcp',
        { type: 'tcp', name: 'advice', advisory: true, hold: false, fastInterval: '100ms' },
        {
          type: 'http',
          path: '/h',
          expectStatus: [204, '3xx', '401-403'],
          expectBody: 'ok',
          tls: { ca: 'x.pem' },
        },
        { type: 'tcp', host: 'db.internal', resolve: true, rise: 7 },
        'grpc:/orders.v1.Orders',
        { type: 'grpc', port: 9, tls: { serverName: 'orders.internal' } },
        { type: 'udp', port: 53, send: 'hex:00ff', expect: 'pong' },
        { type: 'exec', command: ['/usr/bin/check', '--disk', '/'] },
        'ttl:250ms',
      ],
    },
    { name: 'plain', port: 81, address: 'interface:eth0', jitter: 0 },
  ],
};

test.each([
  ['YAML', printYaml],
  ['JSON', printJson],
] as const)('as %s it loads to the same configuration', async (_, print) => {
  const { config } = await load({ file: everything });
  const again = await load({ file: print(config) });
  expect(again.config).toEqual(config);
});

test('header values and queries are not shown', async () => {
  const probe = { type: 'http', path: '/h?token=hunter2', headers: { authorization: 'Bearer hunter2' } };
  const { config } = await load({ file: { services: [{ name: 'orders', port: 1, probes: [probe] }] } });
  for (const text of [printYaml(config), printJson(config)]) {
    expect(text).not.toContain('hunter2');
    expect(text).toContain('authorization');
    expect(text).toContain('/h?REDACTED');
  }
});
