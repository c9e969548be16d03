// The life of a registration in a real ZooKeeper by our own client of its protocol, on the Node that runs this. `url` is a folder
// that nobody else uses.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { openWritable, parseInstance } from 'pilotfish/registry';

const OWNER = fileURLToPath(new URL('../contract/owner.mjs', import.meta.url));
const LIMIT_MS = 20_000;

/** @type {Record<string, (url: string) => Promise<void>>} */
export const checks = {
  'a registration is seen to come, change and go': (url) =>
    withRegistry(`${url}/life?sessionTimeout=20s`, async (registry) => {
      const list = new Watched(registry, 'orders');
      await list.is('nobody', (ids) => ids.length === 0);
      const registration = await registry.register(instance('a', 1));
      await list.is('one', (ids) => ids.join() === 'a/1');
      assert.equal(await registration.confirm(), 'present');
      await registration.update(instance('a', 7));
      await list.is('changed', (ids) => ids.join() === 'a/7');
      await registration.close();
      await list.is('nobody again', (ids) => ids.length === 0);
      list.end();
    }),

  'a hundred registrations are one list, and its end ends them all': (url) =>
    withRegistry(`${url}/many?sessionTimeout=20s`, async (reader) => {
      const list = new Watched(reader, 'orders');
      const writer = await openWritable(`${url}/many?sessionTimeout=5s`);
      const ids = Array.from({ length: 100 }, (_, n) => `i${n}`);
      await Promise.all(ids.map((id) => writer.register(instance(id, 1))));
      await list.is('all', (listed) => listed.length === 100);
      await writer.close();
      await list.is('nobody', (listed) => listed.length === 0);
      list.end();
    }),

  'what a killed process left is taken over, and no reader sees it missing': (url) =>
    withRegistry(`${url}/takeover?sessionTimeout=20s`, async (registry) => {
      const old = await startOwner(`${url}/takeover?sessionTimeout=20s`, instance('a', 1));
      const list = new Watched(registry, 'orders');
      await list.is('the old one', (ids) => ids.join() === 'a/1');
      const ended = once(old, 'exit');
      old.kill('SIGKILL');
      await ended;
      const seen = list.history.length;
      const registration = await registry.register(instance('a', 2));
      await list.is('the new one', (ids) => ids.join() === 'a/2');
      assert.deepEqual(
        list.history.slice(seen).filter((ids) => ids.length !== 1),
        [],
      );
      await registration.close();
      list.end();
    }),

  'a wish that cannot be is refused with a code, and the session goes on': (url) =>
    withRegistry(`${url}/refused?sessionTimeout=20s`, async (registry) => {
      await assert.rejects(openWritable(`${url}?tls=perhaps`), { code: 'BAD_INPUT' });
      const aborted = registry.register(instance('a', 1), { signal: AbortSignal.abort() });
      await assert.rejects(aborted, { name: 'AbortError' });
      await registry.ping();
      assert.equal(registry.state, 'connected');
    }),
};

/**
 * @param {string} url
 * @param {(registry: import('pilotfish/registry').Registry) => Promise<void>} work
 */
async function withRegistry(url, work) {
  const registry = await openWritable(url);
  try {
    await work(registry);
  } finally {
    await registry.close();
  }
}

/** A watched list, as `id/weight`, with all that it has been. */
class Watched {
  /** @type {string[][]} */
  history = [];
  #ended = new AbortController();
  /** @type {AsyncIterator<import('pilotfish/registry').Snapshot>} */
  #snapshots;

  /**
   * @param {import('pilotfish/registry').Registry} registry
   * @param {string} service
   */
  constructor(registry, service) {
    const signal = AbortSignal.any([this.#ended.signal, AbortSignal.timeout(LIMIT_MS)]);
    this.#snapshots = registry.watch(service, { signal })[Symbol.asyncIterator]();
  }

  /**
   * Resolves with the first list, this one included, that is so.
   * @param {string} what
   * @param {(entries: readonly string[]) => boolean} isSo
   */
  async is(what, isSo) {
    while (!isSo(this.history.at(-1) ?? ['not yet'])) {
      const { done, value } = await this.#snapshots.next();
      if (done) throw new Error(`not seen: ${what}; seen: ${JSON.stringify(this.history)}`);
      this.history.push(value.instances.map(({ id, weight }) => `${id}/${weight}`));
    }
  }

  end() {
    this.#ended.abort();
  }
}

/**
 * @param {string} id
 * @param {number} weight
 */
function instance(id, weight) {
  const parsed = parseInstance({ service: 'orders', id, host: '127.0.0.1', port: 8080, weight });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
  return parsed.value;
}

/**
 * Another process, on this same Node, that has registered it.
 * @param {string} url
 * @param {import('pilotfish/registry').Instance} entry
 */
async function startOwner(url, entry) {
  const args = [OWNER, url, JSON.stringify(entry)];
  const owner = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(owner, 'exit').then(() => Promise.reject(new Error('it ended before it registered')));
  ended.catch(() => {});
  await Promise.race([once(owner.stdout, 'data'), ended]);
  return owner;
}
