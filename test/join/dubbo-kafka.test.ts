/** docs/join/dubbo-kafka.md, with entries as providers of Dubbo 2 and brokers of Kafka write them. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runCli } from '../helpers/cli.js';
import { ZkNodes } from '../parties/zk-nodes.js';
import { sharedServer } from '../servers/index.js';
import { inTree, Page } from './page.js';

const ROOT = `/join-dubbo-${process.pid}`;

let others: ZkNodes;
let page: Page;

beforeAll(async () => {
  others = await ZkNodes.connect(sharedServer('zookeeper'));
  page = await Page.open('docs/join/dubbo-kafka.md', inTree(ROOT, 8080));
});

afterAll(async () => {
  await page.close();
  await others.close();
});

/** A provider, with the nodes that consumers and governance have beside it. */
async function provide(host: string, parameters: Readonly<Record<string, string>>): Promise<void> {
  const query = new URLSearchParams({ anyhost: 'true', application: 'demo-provider', ...parameters });
  const provider = encodeURIComponent(`dubbo://${host}:20880/com.example.Demo?${query}`);
  await others.put(`${ROOT}/dubbo/com.example.Demo/providers/${provider}`, host);
  const consumer = encodeURIComponent(`consumer://${host}/com.example.Demo?side=consumer`);
  await others.put(`${ROOT}/dubbo/com.example.Demo/consumers/${consumer}`, '');
  const rule = encodeURIComponent(`override://${host}/com.example.Demo?category=configurators`);
  await others.put(`${ROOT}/dubbo/com.example.Demo/configurators/${rule}`, '', 'PERSISTENT');
}

test('providers of all versions and groups are shown, and one of a version and a group is picked', async () => {
  await provide('10.0.0.1', { version: '1.0.0', group: 'green' });
  await provide('10.0.0.2', { version: '1.0.0', group: 'blue', weight: '200' });
  await provide('10.0.0.3', { version: '2.0.0', group: 'blue', timestamp: '1495782364906' });
  const { code, stdout } = await page.run('Dubbo');
  expect(code).toBe(0);
  const shown = stdout.split('\n').slice(1, -1);
  expect(shown.map((line) => line.split(/ +/).slice(0, 6).join(' '))).toEqual([
    'dubbo:10.0.0.1:20880,version=1.0.0,group=green 10.0.0.1:20880 100 passing - 1.0.0',
    'dubbo:10.0.0.2:20880,version=1.0.0,group=blue 10.0.0.2:20880 200 passing - 1.0.0',
    'dubbo:10.0.0.3:20880,version=2.0.0,group=blue 10.0.0.3:20880 100 passing - 2.0.0',
  ]);
  expect(await page.script('Dubbo')).toBe('10.0.0.2:20880\n');
});

test('brokers of all versions are shown, each at its plain listener if it has one', async () => {
  const broker = (id: number, entry: object): Promise<string> =>
    others.put(`${ROOT}/brokers/ids/${id}`, JSON.stringify(entry));
  await broker(1, { version: 1, host: '10.0.0.1', port: 9092, jmx_port: -1, timestamp: '2233345666' });
  await broker(2, {
    ...{ version: 5, host: null, port: -1, jmx_port: 9999, timestamp: '2233345666', rack: 'dc1' },
    endpoints: ['CLIENT://10.0.0.2:9092', 'REPLICATION://10.0.0.2:9093'],
    listener_security_protocol_map: { CLIENT: 'SSL', REPLICATION: 'PLAINTEXT' },
    features: {},
  });
  const { code, stdout } = await page.run('Kafka');
  expect([code, stdout]).toEqual([0, expect.stringMatching(/^2 +10\.0\.0\.2:9093 +1 +passing +dc1 /m)]);
  expect(await page.script('Kafka')).toBe('10.0.0.1:9092,10.0.0.2:9093\n');
});

test.each(['/dubbo?format=dubbo', '?format=kafka'])('a sidecar with %s does not start', async (rest) => {
  const registry = `zookeeper://${sharedServer('zookeeper')}${ROOT}${rest}`;
  const { code, stderr } = await runCli([
    'sidecar',
    '--service',
    'web',
    '--port',
    '80',
    '--registry',
    registry,
  ]);
  expect([code, stderr]).toEqual([2, expect.stringContaining('which is read only')]);
});

test('every block of the page was run', () => {
  expect(page.unused()).toEqual([]);
});
