/** `pilotfish explain`, in this process. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run } from './terminal.js';

let folder: string;
let env: Record<string, string>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pilotfish-explain-'));
  env = { PILOTFISH_REGISTRY: `static:${join(folder, 'endpoints.json')}` };
  const orders = [
    { id: 'a', host: '10.0.0.1', port: 80, zone: 'eu-1' },
    { id: 'b', host: '10.0.0.2', port: 80, weight: 2 },
    { id: 'c', host: '10.0.0.3', port: 80, status: 'maintenance', note: 'new \u001b[31mdisk' },
  ];
  const idle = [{ id: 'd', host: '10.0.0.4', port: 80, status: 'maintenance' }];
  await writeFile(join(folder, 'endpoints.json'), JSON.stringify({ orders, idle }));
});

afterAll(() => rm(folder, { recursive: true }));

describe('explain', () => {
  test('shows who may be picked, who may not, and a pick', async () => {
    const { code, stdout, stderr } = await run(['explain', 'orders'], { env });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const lines = stdout.trimEnd().split('\n');
    expect(lines.slice(0, -1)).toEqual([
      'orders is fresh; round-robin: each in turn, by weight',
      '  a  10.0.0.1:80  weight 1  passing  eu-1  weight 1',
      '  b  10.0.0.2:80  weight 2  passing  -     weight 2',
      '  not c 10.0.0.3:80: maintenance (new \\u001b[31mdisk)',
    ]);
    expect(lines.at(-1)).toMatch(/^-> [ab]: each in turn, by weight; 2 of 3 listed may be picked$/);
  });

  test('--json is what handle.explain() says', async () => {
    const { code, stdout } = await run(['explain', 'orders', '--json'], { env });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      service: 'orders',
      candidates: [{ id: 'a' }, { id: 'b' }],
      excluded: [{ id: 'c', reason: 'maintenance' }],
    });
  });

  test.each([
    { service: 'idle', last: '-> nothing is picked: 0 of 1 listed may be picked' },
    { service: 'nobody', last: '-> nothing is picked: 0 of 0 listed may be picked' },
  ])('ends with code 1 where nothing can be picked: $service', async ({ service, last }) => {
    const { code, stdout } = await run(['explain', service], { env });
    expect(code).toBe(1);
    expect(stdout.trimEnd().split('\n').at(-1)).toBe(last);
  });
});
