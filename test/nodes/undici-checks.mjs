// T33: the dispatcher in the hands of another undici than the one it is made of. `undici` is the path of that package.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { Readable, Writable } from 'node:stream';
import { until, withWorld } from './http-world.mjs';

/** @returns {typeof import('undici')} */
const load = (/** @type {string} */ path) => createRequire(import.meta.url)(path);

export const GLOBAL_FOR_BUILT_IN = 'its setGlobalDispatcher, for the built-in fetch';

/** @type {Record<string, (undici: string) => Promise<void>>} */
export const checks = {
  'request, and an upload of a stream': (undici) =>
    withWorld(async (world) => {
      await world.echo();
      const { request } = load(undici);
      const dispatcher = world.discovery.dispatcher();
      const { statusCode, headers, body } = await request('http://orders/', { dispatcher });
      assert.deepEqual([statusCode, headers['content-length'], await body.text()], [200, '2', 'a:']);
      const upload = Readable.from(['piece ', 'by piece']);
      const sent = await request('http://orders/', { dispatcher, method: 'POST', body: upload });
      assert.equal(await sent.body.text(), 'a:piece by piece');
      assert.deepEqual(world.recorder.ends, ['ok', 'ok']);
    }),

  'its own fetch': (undici) =>
    withWorld(async (world) => {
      await world.echo();
      const init = { method: 'POST', body: 'one', dispatcher: world.discovery.dispatcher() };
      const response = await load(undici).fetch('http://orders/', init);
      assert.equal(await response.text(), 'a:one');
    }),

  stream: (undici) =>
    withWorld(async (world) => {
      await world.echo();
      const { stream } = load(undici);
      /** @type {Buffer[]} */
      const chunks = [];
      const options = /** @type {const} */ ({ method: 'GET', dispatcher: world.discovery.dispatcher() });
      await stream('http://orders/', options, () => collector(chunks));
      assert.equal(Buffer.concat(chunks).toString(), 'a:');
    }),

  'an abort, held against nobody': (undici) =>
    withWorld(async (world) => {
      const caller = new AbortController();
      await world.serve('a', () => caller.abort());
      const dispatcher = world.discovery.dispatcher();
      const call = load(undici).request('http://orders/', { dispatcher, signal: caller.signal });
      await assert.rejects(call, { name: 'AbortError' });
      await until('it has ended', () => world.recorder.ends.length > 0);
      assert.deepEqual(world.recorder.ends, ['cancelled']);
    }),

  'a failure, with its code': (undici) =>
    withWorld(async (world) => {
      const call = load(undici).request('http://orders/', { dispatcher: world.discovery.dispatcher() });
      await assert.rejects(call, { code: 'NO_ENDPOINTS' });
    }),

  'its setGlobalDispatcher, for its own functions': (undici) =>
    withWorld(async (world) => {
      await world.echo();
      const { fetch: ownFetch, request } = load(undici);
      await asGlobal(load(undici), world.discovery.dispatcher(), async () => {
        assert.equal(await (await ownFetch('http://orders/')).text(), 'a:');
        assert.equal(await (await request('http://orders/')).body.text(), 'a:');
      });
    }),

  [GLOBAL_FOR_BUILT_IN]: (undici) =>
    withWorld(async (world) => {
      await world.echo();
      await asGlobal(load(undici), world.discovery.dispatcher(), async () => {
        assert.equal(await (await fetch('http://orders/')).text(), 'a:');
      });
    }),
};

/**
 * @param {typeof import('undici')} undici
 * @param {import('undici').Dispatcher} dispatcher
 * @param {() => Promise<void>} work
 */
async function asGlobal({ getGlobalDispatcher, setGlobalDispatcher }, dispatcher, work) {
  const before = getGlobalDispatcher();
  setGlobalDispatcher(dispatcher);
  try {
    await work();
  } finally {
    setGlobalDispatcher(before);
  }
}

/** @param {Buffer[]} chunks Gets what is written. */
function collector(chunks) {
  return new Writable({
    write(chunk, _, done) {
      chunks.push(chunk);
      done();
    },
  });
}
