import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connect } from '../../resolver/index.js';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pilotfish-connect-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function staticUrl(name: string, hosts: readonly string[]): string {
  const orders = hosts.map((host, n) => ({ id: `${name}-${n}`, host, port: 8080 }));
  writeFileSync(join(folder, name), JSON.stringify({ orders }));
  return `static:${join(folder, name)}`;
}

describe('connecting by URL', () => {
  it('picks from a real registry, loopback included because it is on this host', async () => {
    const discovery = await connect(staticUrl('one.json', ['127.0.0.1']));
    const orders = discovery.service('orders');
    await orders.ready();
    expect(orders.pick().endpoint).toEqual({ host: '127.0.0.1', port: 8080 });
    await discovery.close();
    expect(() => orders.pick()).toThrow(expect.objectContaining({ code: 'CLOSED' }));
  });

  it('merges several', async () => {
    const urls = [staticUrl('one.json', ['10.0.0.1']), staticUrl('two.json', ['10.0.0.2'])];
    const discovery = await connect(urls);
    const { instances } = await discovery.service('orders').ready({ minEndpoints: 2 });
    expect(instances.map(({ endpoint }) => endpoint.host)).toEqual(['10.0.0.1', '10.0.0.2']);
    await discovery.close();
  });

  it('refuses the whole list when one URL is malformed', async () => {
    const urls = [staticUrl('one.json', ['10.0.0.1']), 'zookeeper://:0'];
    await expect(connect(urls)).rejects.toMatchObject({ code: 'BAD_INPUT' });
  });
});
