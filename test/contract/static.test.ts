/** The static registry in the reader's contract suite, on real files. */
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { open } from '../../registry/open.js';
import { testReaderContract } from './run-contract.js';

let dir: string;
const file = (): string => join(dir, 'endpoints.json');
const content = new Map<string, object[]>();

async function write(): Promise<void> {
  await writeFile(`${file()}.new`, JSON.stringify(Object.fromEntries(content)));
  await rename(`${file()}.new`, file());
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'pilotfish-static-'));
  await write();
});

afterAll(() => rm(dir, { recursive: true }));

testReaderContract('static', () => ({
  open: () => open(`static:${file()}`),

  async publish(service, instances) {
    const flat = instances.map(({ endpoint, ...rest }) => ({ ...rest, ...endpoint }));
    content.set(service, flat);
    await write();
  },

  async poison(service, name) {
    content.set(service, [...(content.get(service) ?? []), { id: name, port: 'eighty' }]);
    await write();
  },

  async spoil({ service, id }) {
    const others = (content.get(service) ?? []).filter((each) => (each as { id?: string }).id !== id);
    content.set(service, [...others, { id, port: 'eighty' }]);
    await write();
  },
}));
