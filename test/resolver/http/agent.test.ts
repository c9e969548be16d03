import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http, { type Agent, type IncomingMessage, type RequestOptions } from 'node:http';
import https from 'node:https';
import { createServer } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { httpAgent, httpsAgent } from '../../../resolver/http/index.js';
import { eventually } from '../../end-to-end/world.js';
import { freePorts } from '../../servers/ports.js';
import { HttpWorld, TestServer } from './world.js';

let world: HttpWorld;
let agent: Agent;

beforeEach(async () => {
  world = await HttpWorld.start();
  agent = httpAgent(world.discovery);
});

afterEach(async () => {
  agent.destroy();
  await world.close();
});

function call(url: string, options: RequestOptions = {}): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    http.get(url, { agent, ...options }, resolve).on('error', reject);
  });
}

async function text(url: string, options?: RequestOptions): Promise<string> {
  return Buffer.concat(await (await call(url, options)).toArray()).toString();
}

it('picks for every request, and keeps the connections and the Host (T32)', async () => {
  const servers = [];
  for (const id of ['a', 'b']) {
    servers.push(await world.serve(id, (req, res) => res.end(`${id} ${req.headers.host}`)));
  }
  const answers = [];
  for (let n = 0; n < 6; n++) answers.push(await text('http://orders:81/'));
  expect(answers.sort()).toEqual([...Array(3).fill('a orders:81'), ...Array(3).fill('b orders:81')]);
  expect(servers.map(({ open }) => open)).toEqual([1, 1]);
  expect(await world.recorder.ends(6)).toContainEqual({
    id: 'a',
    outcome: 'ok',
    latencyMs: expect.any(Number),
  });
});

it('leaves other hosts alone', async () => {
  const server = await TestServer.start((_req, res) => res.end('a host'));
  expect(await text(`http://127.0.0.1:${server.port}/`)).toBe('a host');
  expect(world.recorder.picks).toBe(0);
  agent.destroy();
  await server.close();
});

it('speaks TLS with the name of the service', async () => {
  const pem = (name: string) => readFileSync(new URL(`../../fixtures/tls/${name}`, import.meta.url));
  const server = https.createServer({ cert: pem('service-cert.pem'), key: pem('service-key.pem') });
  await world.serve('a', (req, res) => res.end((req.socket as TLSSocket).servername), server);
  const secure = httpsAgent(world.discovery, {}, { ca: pem('service-cert.pem') });
  const [response] = (await once(https.get('https://orders/', { agent: secure }), 'response')) as [
    IncomingMessage,
  ];
  expect(Buffer.concat(await response.toArray()).toString()).toBe('orders');
  secure.destroy();
});

describe('what an endpoint did is told to the policy', () => {
  it('a bad status, and the rest it asks for', async () => {
    await world.serve('a', (_req, res) => res.writeHead(503, { 'retry-after': '2' }).end());
    await text('http://orders/');
    expect(await world.recorder.ends(1)).toEqual([
      { id: 'a', outcome: 'error', failure: 'status', retryAfterMs: 2000, latencyMs: expect.any(Number) },
    ]);
  });

  it('nobody listens', async () => {
    const [port = 0] = await freePorts(0);
    await world.list('a', port);
    await expect(call('http://orders/')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    expect(await world.recorder.ends(1)).toEqual([{ id: 'a', outcome: 'error', failure: 'connect' }]);
  });

  it('it breaks the connection before or in the middle of a response', async () => {
    await world.serve('a', (req, res) => {
      if (req.url === '/half') res.writeHead(200, { 'content-length': 9 }).write('half', () => res.destroy());
      else req.socket.destroy();
    });
    await expect(text('http://orders/')).rejects.toThrow('socket hang up');
    await expect(text('http://orders/half')).rejects.toThrow('aborted');
    expect((await world.recorder.ends(2)).map(({ failure }) => failure)).toEqual(['reset', 'reset']);
  });

  it('it is too slow for the caller', async () => {
    await world.serve('a', () => request.setTimeout(100));
    const request = http.get('http://orders/', { agent });
    request.on('timeout', () => request.destroy());
    await once(request, 'error').catch((error: unknown) => error);
    expect(await world.recorder.ends(1)).toEqual([{ id: 'a', outcome: 'error', failure: 'timeout' }]);
  });

  it('it is too slow for the deadline of the caller, whatever error that is told by', async () => {
    let late: () => void = () => {};
    await world.serve('a', () => late());
    const deadline = new AbortController();
    late = () => deadline.abort(new DOMException('too late', 'TimeoutError'));
    await expect(call('http://orders/', { signal: deadline.signal })).rejects.toMatchObject({
      code: 'ABORT_ERR',
    });
    const request = http.get('http://orders/', { agent });
    late = () => request.setTimeout(100, () => request.destroy(new Error('of its own')));
    await expect(once(request, 'response')).rejects.toThrow('of its own');
    expect((await world.recorder.ends(2)).map(({ failure }) => failure)).toEqual(['timeout', 'timeout']);
  });

  it('no connection is made in the time that the caller gives it', async () => {
    const silent = await TestServer.start(() => {}, createServer() as unknown as http.Server);
    await world.list('a', silent.port);
    const request = https.get('https://orders/', { agent: httpsAgent(world.discovery) });
    await eventually('it is connecting', () => silent.open === 1);
    request.setTimeout(100, () => request.destroy(new Error('of its own')));
    await expect(once(request, 'response')).rejects.toThrow('of its own');
    expect(await world.recorder.ends(1)).toEqual([{ id: 'a', outcome: 'error', failure: 'timeout' }]);
    await silent.close();
  });

  it('nothing, when the caller gives up', async () => {
    let asked = () => {};
    const arrived = new Promise<void>((resolve) => {
      asked = resolve;
    });
    await world.serve('a', () => asked());
    const caller = new AbortController();
    const failed = expect(call('http://orders/', { signal: caller.signal })).rejects.toMatchObject({
      code: 'ABORT_ERR',
    });
    await arrived;
    caller.abort();
    await failed;
    expect(await world.recorder.ends(1)).toEqual([{ id: 'a', outcome: 'cancelled' }]);
  });
});

describe('in flight', () => {
  it('ends for a body that nobody reads (T16)', async () => {
    agent.destroy();
    agent = httpAgent(world.discovery, { stalledAfterMs: 200 });
    await world.serve('a', (_req, res) => res.end(Buffer.alloc(4 * 1024 * 1024)));
    const response = await call('http://orders/');
    expect(await world.recorder.ends(1)).toMatchObject([{ outcome: 'ok' }]);
    response.on('error', () => {});
  });

  it('ends when nobody even listens for the response', async () => {
    await world.serve('a', (_req, res) => res.end(Buffer.alloc(1024 * 1024)));
    http.get('http://orders/', { agent });
    expect(await world.recorder.ends(1)).toMatchObject([{ outcome: 'ok' }]);
  });

  it('lasts as long as an upgraded connection', async () => {
    const server = await world.serve('a', (_req, res) => res.end());
    server.onUpgrade((_req, socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n');
      socket.once('data', () => socket.destroy());
    });
    const request = http.get('http://orders/', {
      agent,
      headers: { connection: 'Upgrade', upgrade: 'echo' },
    });
    const [, socket] = await once(request, 'upgrade');
    expect(world.recorder.inFlight).toBe(1);
    socket.write('bye');
    expect(await world.recorder.ends(1)).toMatchObject([{ outcome: 'ok' }]);
  });
});

describe('what cannot be sent', () => {
  it('says why: no endpoint', async () => {
    await expect(call('http://orders/')).rejects.toMatchObject({ code: 'NO_ENDPOINTS' });
  });

  it('says why: closed', async () => {
    await world.discovery.close();
    await expect(call('http://orders/')).rejects.toMatchObject({ code: 'CLOSED' });
  });
});

it('closes the connections of an endpoint that leaves, also one that was busy then', async () => {
  let finish = () => {};
  const idle = await world.serve('a', (_req, res) => res.end('a'));
  const busy = await world.serve('b', (req, res) => {
    if (req.url === '/') return res.end('b');
    finish = () => res.end();
    res.write('begun');
  });
  const responses = await Promise.all([call('http://orders/hold'), call('http://orders/hold')]);
  for (const response of responses) response.resume();
  await world.serve('c', (_req, res) => res.end('c'));
  await world.unlist('a');
  await eventually('the idle one is closed', () => idle.open === 0);
  await world.list('b', busy.port, 'draining');
  await eventually('only c is picked', async () => {
    const answers = [await text('http://orders/'), await text('http://orders/')];
    return answers.join() === 'c,c';
  });
  await eventually('only the busy one is open', () => busy.open === 1);
  finish();
  await eventually('the busy one is closed', () => busy.open === 0);
});
