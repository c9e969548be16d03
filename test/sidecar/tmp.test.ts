import { test } from 'vitest';
import { loadConfig } from '../../sidecar/config/load.js';
import { printYaml } from '../../sidecar/config/print.js';
import { configJsonSchema } from '../../sidecar/config/json-schema.js';
const run = async (flags: any, env: any, file?: string) => {
  try { const { config, warnings } = await loadConfig({ flags: {...flags, ...(file !== undefined && {config: 'p.yaml'})}, env, hostname: 'box', readFile: async () => file ?? '' }); console.log(printYaml(config), warnings); }
  catch (e) { console.log((e as any).problems ? (e as Error).message : e); }
};
test('x', async () => {
  await run({}, {});
  await run({ service: 'orders', port: '8080', probe: ['tcp', 'http:/health?x=1', 'ttl:10s'], tag: ['a'] }, { PILOTFISH_INTERVAL: '5s', PILOTFISH_META: 'a=1,b=2', PILOTFISH_ZONE: '' });
  await run({ service: 'orders', port: '80a', probe: ['tcpp', 'ttl:x'], rise: '0', meta: ['a'], registry: ['etcd:x'] }, { PILOTFISH_FOO: '5s', PILOTFISH_INTERVAL: '1x' });
  await run({ zone: 'x' }, {}, 'services: [{name: a, port: 1},{name: b, port: 2}]');
  await run({ }, {}, 'registry: zookeeper://u:p@x\nadmin: 0.0.0.0:1\nlogLevel: loud\nservices: [{name: a b, prt: 1, version: 1.2, tags: a, metadata: {a: 1, constructor: x}, probes: [tcp, tcp, {type: q}, {type: http, path: x, headers: {a: "b\\n", connection: x}, expectStatus: [2000, "3xx", null], tls: 4, timeout: 5}, 7, {}]}]');
  await run({ }, {}, 'services: 5');
  await run({ }, {}, '[]');
  await run({ }, {}, '');
  await run({ }, {}, 'a: [\nb');
  await run({ }, {}, 'registry: zookeeper://x\naddress: 127.0.0.1\nservices: [{name: a, port: 1, probes: [tcp, tcp, {type: tcp, host: foo}], timeout: 5s},{name: a, port: 1}]');
  await run({ }, {}, 'registry: zookeeper://x\naddress: 127.0.0.1\nservices: [{name: a, port: 1, probes: [tcp], timeout: 5s}]');
  console.log(JSON.stringify(configJsonSchema()).slice(0, 3000));
});
