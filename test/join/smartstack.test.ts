/** docs/join/smartstack.md, with entries as nerve writes them and a reader that reads as synapse does. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, ToyService } from '../end-to-end/world.js';
import { ZkNodes } from '../parties/zk-nodes.js';
import { sharedServer } from '../servers/index.js';
import { inTree, Page } from './page.js';

const ROOT = `/join-smartstack-${process.pid}`;
const FOLDER = `${ROOT}/smartstack/global/web`;

/** The other host's nerve and synapse. */
let others: ZkNodes;
let service: ToyService;
let page: Page;

beforeAll(async () => {
  others = await ZkNodes.connect(sharedServer('zookeeper'));
  service = await ToyService.start();
  page = await Page.open('docs/join/smartstack.md', inTree(ROOT, service.port));
});

afterAll(async () => {
  await page.close();
  await service.die();
  await others.close();
});

interface Backend {
  readonly host: string;
  readonly port: number;
  readonly name: string;
  readonly weight?: number;
}

const nervesJson = (port: number): string =>
  JSON.stringify({ host: '127.0.0.1', port, name: 'i-abc', weight: 10, labels: { az: 'us-east-1a' } });

const encoded = (json: string): string => {
  const text = Buffer.from(json).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
  return `base64_${text.length}_${text}_`;
};

/** The prefix that nerve gives its node, by `use_path_encoding`. The data are the same. */
const NAMES = { nerve: () => 'i-abc_', 'nerve-path': encoded } as const;

/** What synapse makes of the folder: the name where it is encoded, else the data; without host or port no backend. */
async function synapse(): Promise<readonly Backend[]> {
  const backends = (await others.entries(FOLDER)).map(([name, data]) => {
    const [, text] = /^base64_\d+_([\w-]+=*)_/.exec(name) ?? [];
    const json = text === undefined ? data : Buffer.from(text, 'base64url').toString();
    return JSON.parse(json) as Backend;
  });
  return backends.filter(({ host, port }) => host !== undefined && port !== undefined);
}

describe.each(['nerve', 'nerve-path'] as const)('in the format %s', (format) => {
  const edit = (text: string): string => text.replace('format=nerve', `format=${format}`);

  test('what nerve wrote is shown and called', async () => {
    const json = nervesJson(service.port);
    const path = await others.put(`${FOLDER}/${NAMES[format](json)}`, json, 'EPHEMERAL_SEQUENTIAL');
    const { code, stdout } = await page.run('Look', edit);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      new RegExp(`^i-abc:${service.port} +127\\.0\\.0\\.1:${service.port} +10 +passing`, 'm'),
    );
    expect(await page.script('Call', edit)).toBe('200\n');
    await others.remove(path);
  });

  test('what a sidecar writes is a backend of synapse beside those of nerve, until the sidecar drains', async () => {
    const elsewhere = nervesJson(service.port);
    const path = await others.put(`${FOLDER}/${NAMES[format](elsewhere)}`, elsewhere, 'EPHEMERAL_SEQUENTIAL');
    const sidecar = await page.start('Register', (text) => `${edit(text).trim()} --weight 2.6 --id web-1`);
    await eventually('both', async () => (await synapse()).length === 2);
    const ours = (await synapse()).find(({ name }) => name === 'web-1');
    expect(ours).toMatchObject({ host: '127.0.0.1', port: service.port, name: 'web-1', weight: 3 });
    const names = (await others.entries(FOLDER)).map(([name]) => name);
    for (const name of names) expect(name).toMatch(/_\d{10}$/);
    expect((await sidecar.stop()).code).toBe(0);
    expect((await synapse()).map(({ name }) => name)).toEqual(['i-abc']);
    await others.remove(path);
  });
});

test('nodes of nerve that are not sequential are listed too', async () => {
  const json = nervesJson(service.port);
  for (const format of ['nerve', 'nerve-path'] as const) {
    const path = await others.put(`${FOLDER}/${NAMES[format](json)}`, json);
    const { stdout } = await page.run('Look', (text) => text.replace('format=nerve', `format=${format}`));
    expect(stdout).toContain(`i-abc:${service.port} `);
    await others.remove(path);
  }
});

test('every block of the page was run', () => {
  expect(page.unused()).toEqual([]);
});
