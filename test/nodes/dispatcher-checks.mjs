// What a caller does over HTTP, on the Node that runs this: its built-in fetch speaks one of two dialects to a dispatcher, and its
// node:http has an Agent of its own.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { httpAgent, httpsAgent } from 'pilotfish/http';
import { getGlobalDispatcher, setGlobalDispatcher } from 'undici';
import { until, withWorld } from './http-world.mjs';

const SEVERAL_MIB = Buffer.alloc(4 * 1024 * 1024);
const pem = (/** @type {string} */ name) =>
  readFileSync(new URL(`../fixtures/tls/service-${name}.pem`, import.meta.url));

/** @type {Record<string, () => Promise<void>>} */
export const checks = {
  'fetch reaches each endpoint in its turn': () =>
    withWorld(async (world) => {
      await world.echo('a');
      await world.echo('b');
      const dispatcher = world.discovery.dispatcher();
      const answers = [];
      for (let n = 0; n < 4; n++)
        answers.push(await (await fetch('http://orders/items', { dispatcher })).text());
      assert.deepEqual(answers.sort(), ['a:', 'a:', 'b:', 'b:']);
      assert.deepEqual(world.recorder.ends, ['ok', 'ok', 'ok', 'ok']);
    }),

  'fetch takes a Request': () =>
    withWorld(async (world) => {
      await world.echo();
      const request = new Request('http://orders/', { method: 'PUT', body: 'put' });
      const response = await fetch(request, { dispatcher: world.discovery.dispatcher() });
      assert.equal(await response.text(), 'a:put');
    }),

  'discovery.fetch answers with a Response of this Node': () =>
    withWorld(async (world) => {
      await world.echo();
      const response = await world.discovery.fetch('http://orders/', { method: 'POST', body: 'one' });
      assert(response instanceof Response);
      assert.equal(await response.text(), 'a:one');
    }),

  'a stream is uploaded': () =>
    withWorld(async (world) => {
      await world.echo();
      const body = Readable.toWeb(Readable.from([Buffer.from('piece '), Buffer.from('by piece')]));
      const upload = { method: 'POST', body, duplex: 'half', dispatcher: world.discovery.dispatcher() };
      const response = await fetch('http://orders/', /** @type {RequestInit} */ (upload));
      assert.equal(await response.text(), 'a:piece by piece');
    }),

  'a form is uploaded': () =>
    withWorld(async (world) => {
      await world.echo();
      const body = new FormData();
      body.append('name', 'pilotfish');
      const response = await world.discovery.fetch('http://orders/', { method: 'POST', body });
      assert.match(await response.text(), /name="name"\r\n\r\npilotfish/);
    }),

  'a response is read while it is still being sent': () =>
    withWorld(async (world) => {
      let finish = () => {};
      await world.serve('a', (_, response) => {
        response.write('begun');
        finish = () => response.end(' and done');
      });
      const { body } = await world.discovery.fetch('http://orders/');
      assert(body !== null);
      const chunks = body.getReader();
      assert.equal(Buffer.from((await chunks.read()).value ?? []).toString(), 'begun');
      assert.deepEqual(world.recorder.ends, []);
      finish();
      assert.equal(Buffer.from((await chunks.read()).value ?? []).toString(), ' and done');
      assert.equal((await chunks.read()).done, true);
    }),

  'headers arrive as they were sent': () =>
    withWorld(async (world) => {
      await world.serve('a', (request, response) => {
        response.writeEarlyHints({ link: '</style.css>; rel=preload' });
        response.setHeader('set-cookie', ['one=1', 'two=2']).setHeader('x-host', request.headers.host ?? '');
        response.setHeader('content-encoding', 'gzip').end(gzipSync('unpacked'));
      });
      const response = await world.discovery.fetch('http://orders:81/');
      assert.deepEqual(response.headers.getSetCookie(), ['one=1', 'two=2']);
      assert.equal(response.headers.get('x-host'), 'orders:81');
      assert.equal(await response.text(), 'unpacked');
    }),

  'a redirect within the service is followed': () =>
    withWorld(async (world) => {
      await world.serve('a', (request, response) => {
        if (request.url === '/new') response.end('moved');
        else response.writeHead(302, { location: '/new' }).end();
      });
      const response = await world.discovery.fetch('http://orders/old');
      assert.equal(await response.text(), 'moved');
      assert.equal(response.url, 'http://orders/new');
    }),

  'answers without a body end': () =>
    withWorld(async (world) => {
      await world.serve('a', (_, response) => response.writeHead(204).end());
      const [head, none] = await Promise.all([
        world.discovery.fetch('http://orders/', { method: 'HEAD' }),
        world.discovery.fetch('http://orders/'),
      ]);
      assert.deepEqual([head.status, none.status], [204, 204]);
    }),

  'a hundred requests at once are all answered': () =>
    withWorld(async (world) => {
      await world.echo('a');
      await world.echo('b');
      const calls = Array.from({ length: 100 }, (_, n) =>
        world.discovery.fetch('http://orders/', { method: 'POST', body: `${n}` }),
      );
      const answers = await Promise.all((await Promise.all(calls)).map((response) => response.text()));
      answers.forEach((answer, n) => {
        assert.match(answer, new RegExp(`^[ab]:${n}$`));
      });
    }),

  'an abort before the answer rejects, and is held against nobody': () =>
    withWorld(async (world) => {
      const caller = new AbortController();
      await world.serve('a', () => caller.abort());
      const call = world.discovery.fetch('http://orders/', { signal: caller.signal });
      await assert.rejects(call, { name: 'AbortError' });
      await until('it has ended', () => world.recorder.ends.length > 0);
      assert.deepEqual(world.recorder.ends, ['cancelled']);
    }),

  'an abort in the middle of a body rejects the reading': () =>
    withWorld(async (world) => {
      const caller = new AbortController();
      await world.serve('a', (_, response) => response.write('begun'));
      const response = await world.discovery.fetch('http://orders/', { signal: caller.signal });
      caller.abort();
      await assert.rejects(response.text(), { name: 'AbortError' });
      await until('it has ended', () => world.recorder.ends.length > 0);
      assert.deepEqual(world.recorder.ends, ['cancelled']);
    }),

  'AbortSignal.timeout rejects with its own error, and is held against the endpoint': () =>
    withWorld(async (world) => {
      await world.serve('a', () => {});
      const call = world.discovery.fetch('http://orders/', { signal: AbortSignal.timeout(100) });
      await assert.rejects(call, { name: 'TimeoutError' });
      await until('it has ended', () => world.recorder.ends.length > 0);
      assert.equal(world.recorder.ends[0], 'error');
    }),

  'a body that nobody reads is in flight no more after its time': () =>
    withWorld(async (world) => {
      await world.serve('a', (_, response) => response.end(SEVERAL_MIB));
      const dispatcher = world.discovery.dispatcher({ stalledAfterMs: 100 });
      const response = await fetch('http://orders/', { dispatcher });
      await until('it has ended', () => world.recorder.ends.length > 0);
      assert.deepEqual(world.recorder.ends, ['ok']);
      assert.equal(response.bodyUsed, false);
    }),

  'a body that is cancelled is in flight no more at once': () =>
    withWorld(async (world) => {
      await world.serve('a', (_, response) => response.end(SEVERAL_MIB));
      const response = await world.discovery.fetch('http://orders/');
      await response.body?.cancel();
      await until('it has ended', () => world.recorder.ends.length > 0);
    }),

  'why a request failed stands in the code of the cause': () =>
    withWorld(async (world) => {
      const { discovery } = world;
      await assert.rejects(discovery.fetch('http://orders/'), causedBy('NO_ENDPOINTS'));
      // A POST that was sent once is not sent again.
      await world.serve('a', (request) => request.socket.destroy());
      const post = discovery.fetch('http://orders/', { method: 'POST', body: 'once' });
      await assert.rejects(post, causedBy('UND_ERR_SOCKET'));
      const dispatcher = discovery.dispatcher();
      await discovery.close();
      await assert.rejects(fetch('http://orders/', { dispatcher }), causedBy('CLOSED'));
    }),

  'the dispatcher of the whole process serves a plain fetch': () =>
    withWorld(async (world) => {
      await world.echo();
      const before = getGlobalDispatcher();
      try {
        setGlobalDispatcher(world.discovery.dispatcher());
        assert.equal(await (await fetch('http://orders/')).text(), 'a:');
      } finally {
        setGlobalDispatcher(before);
      }
    }),

  'fetch speaks TLS with the name of the service': () =>
    withWorld(async (world) => {
      await world.serve('a', (_, response) => response.end('secret'), tlsServer());
      const dispatcher = world.discovery.dispatcher({ pool: { connect: { ca: pem('cert') } } });
      assert.equal(await (await fetch('https://orders/', { dispatcher })).text(), 'secret');
    }),

  'an Agent of node:http picks for every request': () =>
    withWorld(async (world) => {
      await world.echo('a');
      await world.echo('b');
      const agent = httpAgent(world.discovery);
      const answers = [];
      for (let n = 0; n < 4; n++) answers.push(await text(http.get('http://orders/', { agent })));
      assert.deepEqual(answers.sort(), ['a:', 'a:', 'b:', 'b:']);
      agent.destroy();
    }),

  'an Agent of node:http uploads a stream, and its request can be aborted': () =>
    withWorld(async (world) => {
      const caller = new AbortController();
      await world.serve('a', async (request, response) => {
        if (request.method === 'GET') caller.abort();
        else response.end(Buffer.concat(await request.toArray()));
      });
      const agent = httpAgent(world.discovery);
      const upload = http.request('http://orders/', { agent, method: 'POST' });
      Readable.from(['piece ', 'by piece']).pipe(upload);
      assert.equal(await text(upload), 'piece by piece');
      const aborted = once(http.get('http://orders/', { agent, signal: caller.signal }), 'response');
      await assert.rejects(aborted, { name: 'AbortError' });
      await until('both have ended', () => world.recorder.ends.length === 2);
      assert.deepEqual(world.recorder.ends, ['ok', 'cancelled']);
      agent.destroy();
    }),

  'an Agent of node:https speaks TLS with the name of the service': () =>
    withWorld(async (world) => {
      await world.serve('a', (_, response) => response.end('secret'), tlsServer());
      const agent = httpsAgent(world.discovery, {}, { ca: pem('cert') });
      assert.equal(await text(https.get('https://orders/', { agent })), 'secret');
      agent.destroy();
    }),
};

function tlsServer() {
  return https.createServer({ cert: pem('cert'), key: pem('key') });
}

/** @param {import('node:http').ClientRequest} request */
async function text(request) {
  const [response] = /** @type {[import('node:http').IncomingMessage]} */ (await once(request, 'response'));
  return Buffer.concat(await response.toArray()).toString();
}

/** @param {string} code */
function causedBy(code) {
  return (/** @type {Error & { cause?: { code?: string } }} */ error) => {
    assert.equal(error.cause?.code, code);
    return true;
  };
}
