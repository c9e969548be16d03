/** Calls over real connections: which errors they throw there, and what the servers saw of them. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type CallOptions, connect, type Discovery, type ServiceHandle } from '../../../resolver/index.js';
import { instance, MemoryRegistry } from '../memory-registry.js';

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

let servers: Server[];
let discovery: Discovery;
let orders: ServiceHandle;

beforeEach(() => {
  servers = [];
});

afterEach(async () => {
  await discovery.close();
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
});

async function listening(listener: Listener): Promise<number> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** A port where nobody listens any more. */
async function deadPort(): Promise<number> {
  const port = await listening(() => {});
  const server = servers.pop() as Server;
  server.close();
  await once(server, 'close');
  return port;
}

async function listed(...ports: number[]): Promise<void> {
  const registry = new MemoryRegistry('memory://127.0.0.1:1');
  registry.list(ports.map((port) => instance({ id: `i${port}`, host: '127.0.0.1', port })));
  discovery = await connect(registry);
  orders = discovery.service('orders');
  await orders.ready();
}

const answering: Listener = (request, response) => {
  request.resume().on('end', () => response.end('done'));
};

/** Reads the whole request and breaks the connection: perhaps it was carried out. */
const resetting: Listener = (request) => {
  request.resume().on('end', () => request.socket.resetAndDestroy());
};

function post(options: CallOptions): Promise<string> {
  return orders.call(async ({ endpoint: { host, port } }, { signal }) => {
    const response = await fetch(`http://${host}:${port}/`, { method: 'POST', body: 'an order', signal });
    if (!response.ok) throw Object.assign(new Error('refused'), { status: response.status });
    return response.text();
  }, options);
}

test('an endpoint that refuses connections fails no call, though the work must not be done twice', async () => {
  let carriedOut = 0;
  const counting: Listener = (request, response) => {
    carriedOut++;
    answering(request, response);
  };
  await listed(await listening(counting), await listening(counting), await deadPort());
  const answers = await Promise.all(Array.from({ length: 90 }, () => post({})));
  expect(answers).toEqual(Array.from({ length: 90 }, () => 'done'));
  expect(carriedOut).toBe(90);
  expect(discovery.status()[0]?.retries).toMatchObject({ attempts: 120, retries: 30, budgetRefusals: 0 });
});

describe('after a reset', () => {
  let received: number;

  beforeEach(async () => {
    received = 0;
    const counted: Listener = (request, response) => {
      received++;
      resetting(request, response);
    };
    await listed(await listening(counted), await listening(counted));
  });

  test('a request that must not be done twice is not sent again', async () => {
    await expect(post({})).rejects.toThrow('fetch failed');
    expect(received).toBe(1);
  });

  test('one that may be is sent to the other', async () => {
    await expect(post({ idempotent: true, retries: 1 })).rejects.toThrow('fetch failed');
    expect(received).toBe(2);
  });
});

test('an answer of 503 is tried elsewhere, one of 404 is not', async () => {
  const seen: number[] = [];
  const saying = (status: number): Listener => {
    return (request, response) => {
      seen.push(status);
      request.resume().on('end', () => response.writeHead(status).end());
    };
  };
  await listed(await listening(saying(503)), await listening(saying(404)));
  for (let n = 0; n < 4; n++) {
    await expect(post({ idempotent: true })).rejects.toMatchObject({ status: 404 });
  }
  expect(seen.filter((status) => status === 404)).toHaveLength(4);
  expect(seen.filter((status) => status === 503)).toHaveLength(2);
});

test('a hedge answers for an endpoint that hangs, and the request there is broken off', async () => {
  const brokenOff: Promise<unknown>[] = [];
  const hanging: Listener = (request, response) => {
    request.resume();
    brokenOff.push(once(response, 'close'));
  };
  await listed(await listening(hanging), await listening(answering));
  const options: CallOptions = { idempotent: true, hedge: { afterMs: 20 }, deadlineMs: 20_000 };
  const answers = await Promise.all(Array.from({ length: 10 }, () => post(options)));
  expect(new Set(answers)).toEqual(new Set(['done']));
  expect(brokenOff.length).toBeGreaterThanOrEqual(5);
  await Promise.all(brokenOff);
});

test('no endpoint ever has more requests at a time than the limit', async () => {
  const most: number[] = [];
  const counting = (): Listener => {
    const at = most.push(0) - 1;
    let now = 0;
    return (request, response) => {
      most[at] = Math.max(most[at] as number, ++now);
      response.once('close', () => now--);
      setImmediate(() => answering(request, response));
    };
  };
  await listed(await listening(counting()), await listening(counting()));
  const calls = Array.from({ length: 50 }, () => post({ maxPerEndpoint: 8 }));
  const refused = (await Promise.allSettled(calls)).filter(({ status }) => status === 'rejected');
  expect(refused).toHaveLength(34);
  for (const count of most) expect(count).toBeLessThanOrEqual(8);
});
