import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../runtime/clock.js';
import type { UdpProbeConfig } from '../../sidecar/config/config.js';
import { createProbe } from '../../sidecar/probes/create.js';
import { type Network, systemNetwork } from '../../sidecar/probes/dial.js';
import { type CheckResult, MAX_REASON_LENGTH } from '../../sidecar/probes/probe.js';
import { udpConfig, until } from './support.js';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

type Reply = (socket: Socket, from: RemoteInfo, question: Buffer) => void;

/** The port of a service that does `reply` for each datagram. */
async function serviceThat(reply: Reply, host = '127.0.0.1'): Promise<number> {
  const socket = createSocket(host === '::1' ? 'udp6' : 'udp4');
  socket.on('message', (question, from) => reply(socket, from, question));
  socket.bind(0, host);
  await once(socket, 'listening');
  closers.push(() => socket.close());
  return socket.address().port;
}

const says =
  (...replies: readonly (string | Buffer)[]): Reply =>
  (socket, { port, address }) => {
    for (const reply of replies) socket.send(reply, port, address);
  };

/** One that nobody listens on: it was free a moment ago. */
async function freeUdpPort(): Promise<number> {
  const port = await serviceThat(() => {});
  closers.pop()?.();
  return port;
}

interface Watched extends Network {
  /** Of all sockets that were made: those not closed yet. */
  readonly open: () => number;
}

function watched(): Watched {
  let open = 0;
  const datagrams: Network['datagrams'] = (family) => {
    open++;
    return createSocket(family).on('close', () => open--);
  };
  return { ...systemNetwork, datagrams, open: () => open };
}

async function check(
  port: number,
  overrides: Partial<UdpProbeConfig> = {},
  network: Network = systemNetwork,
): Promise<CheckResult> {
  const probe = await createProbe(udpConfig(port, overrides), { clock: systemClock, network });
  return probe.check(new AbortController().signal);
}

describe('a udp probe', () => {
  test('passes when a reply contains what is expected, and closes its socket', async () => {
    const network = watched();
    const port = await serviceThat(says('all is pong today'));
    expect(await check(port, {}, network)).toMatchObject({
      status: 'passing',
      reason: `127.0.0.1:${port} replied as expected`,
    });
    await until(() => network.open() === 0, 'the socket to be closed');
  });

  test('passes on IPv6', async () => {
    const port = await serviceThat(says('pong'), '::1');
    expect(await check(port, { host: '::1' })).toMatchObject({
      status: 'passing',
      reason: `[::1]:${port} replied as expected`,
    });
  });

  test.each(['127.0.0.1', '::1'])('finds localhost when the service listens on %s only', async (host) => {
    const network = watched();
    const port = await serviceThat(says('pong'), host);
    expect(await check(port, { host: 'localhost' }, network)).toMatchObject({ status: 'passing' });
    await until(() => network.open() === 0, 'both sockets to be closed');
  });

  test.each([
    ['text', 'stats ✓', Buffer.from('stats ✓')],
    ['bytes', 'hex:00fFff0a', Buffer.of(0, 255, 255, 10)],
  ])('sends what it is told, as %s', async (_name, send, bytes) => {
    const questions: Buffer[] = [];
    const port = await serviceThat((socket, from, question) => {
      questions.push(question);
      says('pong')(socket, from, question);
    });
    await check(port, { send });
    expect(questions).toEqual([bytes]);
  });

  test('compares bytes where bytes are expected', async () => {
    const port = await serviceThat(says(Buffer.of(1, 0, 255, 2)));
    expect(await check(port, { expect: 'hex:00ff' })).toMatchObject({ status: 'passing' });
    expect(await check(port, { expect: 'hex:ff00', timeoutMs: 1000 })).toMatchObject({
      status: 'failing',
      reason: 'expected a reply that contains "hex:ff00", got "hex:0100ff02"',
    });
  });

  test('waits for the right reply among others', async () => {
    const port = await serviceThat(says('one moment', 'pong'));
    expect(await check(port)).toMatchObject({ status: 'passing' });
  });

  test('fails with the last reply when none was right, on one short printable line', async () => {
    const port = await serviceThat(says('first', `\u001b[31mnot\n${'x'.repeat(2000)}`));
    const result = await check(port, { timeoutMs: 1000 });
    expect(result).toMatchObject({
      status: 'failing',
      reason: expect.stringMatching(
        /^expected a reply that contains "pong", got "\\u001b\[31mnot\\u000ax+"$/,
      ),
    });
    expect(result.failure).toBeUndefined();
    expect(result.reason.length).toBeLessThanOrEqual(MAX_REASON_LENGTH);
  });

  test('does not listen without end to somebody who says something else', async () => {
    const port = await serviceThat(says(...new Array<string>(40).fill('noise')));
    const result = await check(port, { timeoutMs: 20_000 });
    expect(result).toMatchObject({
      status: 'failing',
      reason: 'expected a reply that contains "pong", got "noise"',
    });
    expect(result.durationMs).toBeLessThan(10_000);
  });

  test('fails at its deadline when nobody replies: silence is no health', async () => {
    const network = watched();
    const port = await serviceThat(() => {});
    expect(await check(port, { timeoutMs: 50 }, network)).toMatchObject({
      status: 'failing',
      failure: 'timeout',
      reason: `no reply from 127.0.0.1:${port} within 50 ms`,
    });
    await until(() => network.open() === 0, 'the socket to be closed');
  });

  test('does not take the reply of another address', async () => {
    const stranger = createSocket('udp4');
    closers.push(() => stranger.close());
    const port = await serviceThat((_socket, from) => stranger.send('pong', from.port, from.address));
    expect(await check(port, { timeoutMs: 100 })).toMatchObject({
      status: 'failing',
      reason: `no reply from 127.0.0.1:${port} within 100 ms`,
    });
  });

  test.each(['127.0.0.1', 'localhost'])('knows that nobody listens when %s refuses twice', async (host) => {
    const network = watched();
    const port = await freeUdpPort();
    expect(await check(port, { host }, network)).toMatchObject({
      status: 'failing',
      failure: 'nobody-listens',
      reason: `refused twice: nobody listens on ${host}:${port}`,
    });
    await until(() => network.open() === 0, 'the sockets to be closed');
  });

  test('takes a refusal in the name of another host for one failure among others', async () => {
    const port = await freeUdpPort();
    const network = { ...systemNetwork, lookup: async () => ['127.0.0.1'] };
    const result = await check(port, { host: 'dns.test', resolve: true }, network);
    expect(result).toMatchObject({ status: 'failing', reason: expect.stringContaining('ECONNREFUSED') });
    expect(result.failure).toBeUndefined();
  });

  test('refuses a socket that met itself, whose question would be its own answer', async () => {
    const port = await freeUdpPort();
    const datagrams: Network['datagrams'] = (family) => createSocket(family).bind(port, '127.0.0.1');
    const network = { ...systemNetwork, datagrams };
    expect(await check(port, { send: 'pong' }, network)).toMatchObject({
      status: 'failing',
      reason: `nothing listens on port ${port}: the socket met itself`,
    });
  });

  test('ends at once when its signal aborts, and closes the socket', async () => {
    const network = watched();
    const asked: unknown[] = [];
    const port = await serviceThat((_socket, from) => asked.push(from));
    const probe = await createProbe(udpConfig(port, { timeoutMs: 60_000 }), { clock: systemClock, network });
    const stop = new AbortController();
    const checking = probe.check(stop.signal);
    await until(() => asked.length === 1, 'the question to arrive');
    stop.abort(new Error('enough'));
    expect(await checking).toMatchObject({ reason: 'enough' });
    await until(() => network.open() === 0, 'the socket to be closed');
  });
});

describe('a udp probe of a host name', () => {
  test('is refused unless the configuration allows to resolve', async () => {
    const config = udpConfig(53, { host: 'dns.test' });
    await expect(createProbe(config, { clock: systemClock })).rejects.toMatchObject({ code: 'BAD_INPUT' });
  });

  test('counts a hanging lookup against the one deadline', async () => {
    const network = { ...systemNetwork, lookup: (): Promise<never> => new Promise(() => {}) };
    const overrides = { host: 'dns.test', resolve: true, timeoutMs: 50 };
    expect(await check(53, overrides, network)).toMatchObject({ status: 'failing', failure: 'timeout' });
  });
});
