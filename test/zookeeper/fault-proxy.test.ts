import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FaultProxy } from '../helpers/fault-proxy.js';

let server: Server;
let proxy: FaultProxy;
/** What the server received, and the connection it came on. */
let received: string;
let accepted: Socket | undefined;

beforeEach(async () => {
  received = '';
  server = createServer((socket) => {
    accepted = socket;
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      received += chunk;
      socket.write(chunk);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  proxy = await FaultProxy.start(`127.0.0.1:${(server.address() as AddressInfo).port}`);
});

afterEach(async () => {
  await proxy[Symbol.asyncDispose]();
  accepted?.destroy();
  await new Promise((resolve) => server.close(resolve));
});

class Client {
  readonly socket: Socket = connect({ host: '127.0.0.1', port: Number(proxy.address.split(':')[1]) });
  readonly chunks: string[] = [];
  ended: string | undefined;

  constructor() {
    this.socket.on('data', (chunk) => this.chunks.push(String(chunk)));
    this.socket.on('error', (error: NodeJS.ErrnoException) => {
      this.ended = error.code;
    });
    this.socket.on('close', () => {
      this.ended ??= 'closed';
    });
  }

  get got(): string {
    return this.chunks.join('');
  }
}

const soon = (condition: () => unknown) => expect.poll(condition, { interval: 5, timeout: 3_000 });

test('passes both ways until a fault is asked for', async () => {
  const client = new Client();
  client.socket.write('hello');
  await soon(() => client.got).toBe('hello');
  client.socket.end();
  await soon(() => client.ended).toBe('closed');
  expect(proxy.accepted).toBe(1);
});

test('a stall holds bytes and ends of connections both ways, tells nobody, and passes all of it when healed', async () => {
  const client = new Client();
  client.socket.write('a');
  await soon(() => client.got).toBe('a');
  proxy.stall();
  client.socket.write('b');
  client.socket.end();
  const second = new Client();
  second.socket.write('c');
  await soon(() => second.socket.readyState).toBe('open');
  expect([received, client.got, client.ended, second.got]).toEqual(['a', 'a', undefined, '']);
  await proxy.heal();
  await soon(() => [client.got, client.ended, second.got]).toEqual(['ab', 'closed', 'c']);
  second.socket.destroy();
});

test.each([
  ['up', ['', '']],
  ['down', ['a', '']],
] as const)('a stall %s leaves the other way open', async (direction, expected) => {
  const client = new Client();
  await once(client.socket, 'connect');
  proxy.stall(direction);
  client.socket.write('a');
  await soon(() => [received, client.got]).toEqual(expected);
  await proxy.heal();
  await soon(() => client.got).toBe('a');
  client.socket.destroy();
});

test('reset, and refused until healed', async () => {
  const client = new Client();
  client.socket.write('a');
  await soon(() => client.got).toBe('a');
  proxy.reset();
  await soon(() => client.ended).toBe('ECONNRESET');
  proxy.refuse();
  const refused = new Client();
  await soon(() => refused.ended).toBe('ECONNREFUSED');
  await proxy.heal();
  const again = new Client();
  again.socket.write('b');
  await soon(() => again.got).toBe('b');
  again.socket.destroy();
});

test('slices, and delays every slice', async () => {
  Object.assign(proxy, { sliceBytes: 1, latencyMs: 20 });
  const client = new Client();
  const from = performance.now();
  client.socket.write('abc');
  await soon(() => client.got).toBe('abc');
  expect(client.chunks.length).toBe(3);
  expect(performance.now() - from).toBeGreaterThan(75);
  client.socket.destroy();
});

test.each([
  ['up', 'abcd', 'abcd'],
  ['down', 'abcdefgh', 'abcd'],
] as const)('cuts %s at a byte', async (direction, atServer, atClient) => {
  const client = new Client();
  const cut = proxy.cutAfter(direction, 4);
  client.socket.write('abcdefgh');
  await cut;
  await soon(() => client.ended).toBeDefined();
  expect(received).toBe(atServer);
  if (direction === 'down') expect(client.got).toBe(atClient);
  const next = new Client();
  next.socket.write('abcdefgh');
  await soon(() => next.got).toBe('abcdefgh');
  next.socket.destroy();
});

test('loses the n-th reply and nothing before it', async () => {
  const lost = proxy.loseReply(3);
  const client = new Client();
  const frame = (text: string): Buffer =>
    Buffer.concat([Buffer.from([0, 0, 0, text.length]), Buffer.from(text)]);
  client.socket.write(Buffer.concat([frame('one'), frame('two'), frame('three')]));
  await lost;
  await soon(() => client.ended).toBe('closed');
  expect(client.got).toBe('\0\0\0\x03one\0\0\0\x03two');
  expect(received).toContain('three');
});
