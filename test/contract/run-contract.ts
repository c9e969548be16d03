/** Runs the contract suites as tests of one backend, and holds what all harnesses of real backends share. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, test } from 'vitest';
import type { Instance, Registration, Registry } from '../../registry/contract.js';
import { openWritable } from '../../registry/open.js';
import {
  type ReaderHarness,
  type RegistryHarness,
  readerContract,
  registryContract,
} from '../../registry/testing/index.js';

/** Every statement of the reader's contract as one test. */
export function testReaderContract(backend: string, harness: () => ReaderHarness): void {
  describe(`${backend} keeps the reader's contract`, () => {
    for (const { name, run } of readerContract) test(name, () => run(harness()), 180_000);
  });
}

/** Every statement of both contracts as one test. */
export function testRegistryContract(backend: string, harness: () => RegistryHarness & ReaderHarness): void {
  testReaderContract(backend, harness);
  describe(`${backend} keeps the writer's contract`, () => {
    for (const { name, run } of registryContract) test(name, () => run(harness()), 180_000);
  });
}

/** `publish` for a registry that can be written: one writer that makes the listed instances its registrations. */
export function publisherFor(url: () => string): {
  publish: ReaderHarness['publish'];
  close: () => Promise<void>;
} {
  let writer: Promise<Registry> | undefined;
  const held = new Map<string, Map<string, Registration>>();
  const publish = async (service: string, instances: readonly Instance[]): Promise<void> => {
    writer ??= openWritable(url());
    const registry = await writer;
    const mine = held.get(service) ?? new Map<string, Registration>();
    held.set(service, mine);
    const wanted = new Set(instances.map(({ id }) => id));
    await Promise.all([
      ...instances.map(async (instance) => {
        const known = mine.get(instance.id);
        if (known === undefined) mine.set(instance.id, await registry.register(instance));
        else await known.update(instance);
      }),
      ...[...mine].map(async ([id, registration]) => {
        if (wanted.has(id)) return;
        mine.delete(id);
        await registration.close();
      }),
    ]);
  };
  return { publish, close: async () => (await writer)?.close() };
}

/** Registers `instance` from a process of its own, and resolves once it is registered. */
export async function startOwner(url: string, instance: Instance): Promise<{ kill(): Promise<void> }> {
  const script = fileURLToPath(new URL('./owner.mjs', import.meta.url));
  const child = spawn(process.execPath, [script, url, JSON.stringify(instance)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const [line] = await Promise.race([
    once(child.stdout, 'data'),
    exited.then(() => Promise.reject(new Error('the owner ended before it registered'))),
  ]);
  if (!String(line).includes('registered')) throw new Error(`unexpected output of the owner: ${line}`);
  return {
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
