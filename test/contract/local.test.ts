import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import type { Instance } from '../../registry/contract.js';
import { openWritable } from '../../registry/open.js';
import { publisherFor, startOwner, testRegistryContract } from './run-contract.js';

let root: string;
const url = (): string => `local:${root}?ttl=6s&poll=200ms`;
const publisher = publisherFor(url);

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'pilotfish-local-'));
});

afterAll(async () => {
  await publisher.close();
  await rm(root, { recursive: true });
});

async function filesOf({ service, id }: Instance): Promise<readonly string[]> {
  const dir = join(root, 'services', service);
  const mine = (await readdir(dir)).filter((file) => file.startsWith(`${id}@`));
  return mine.map((file) => join(dir, file));
}

testRegistryContract('local', () => ({
  ttlMs: 9_000,
  open: () => openWritable(url()),
  publish: publisher.publish,
  startOwner: (instance) => startOwner(url(), instance),

  async poison(service, name) {
    const dir = join(root, 'services', service);
    await mkdir(dir, { recursive: true });
    const [lease = ''] = (await readdir(join(root, 'leases'))).filter((file) => !file.startsWith('.'));
    await writeFile(join(dir, `${name}@${lease.replace('.json', '')}.json`), '{"port": "eighty"');
  },

  async spoil(instance) {
    await Promise.all((await filesOf(instance)).map((file) => writeFile(file, '{"port": "eighty"')));
  },

  async remove(instance) {
    await Promise.all((await filesOf(instance)).map((file) => rm(file)));
  },

  /** There is no server: the nearest thing to its restart is a directory that vanished as a whole. */
  async restart() {
    const away = `${root}-gone`;
    await rename(root, away);
    await rm(away, { recursive: true });
  },
}));
