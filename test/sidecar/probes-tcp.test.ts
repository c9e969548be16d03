import { connect, Socket } from 'node:net';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../runtime/clock.js';
import { createProbe } from '../../sidecar/probes/create.js';
import { isSelfConnection, type Network, systemNetwork } from '../../sidecar/probes/dial.js';
import type { CheckResult } from '../../sidecar/probes/probe.js';
import {
  freePort,
  httpConfig,
  serve,
  startHttpProcess,
  type TestServer,
  tcpConfig,
  until,
} from './support.js';

const servers: TestServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

async function listener(host?: string): Promise<TestServer> {
  const server = await serve(() => {}, host);
  servers.push(server);
  return server;
}

async function check(
  port: number,
  overrides: Parameters<typeof tcpConfig>[1] = {},
  network: Partial<Network> = {},
): Promise<CheckResult> {
  const context = { clock: systemClock, network: { ...systemNetwork, ...network } };
  const probe = await createProbe(tcpConfig(port, overrides), context);
  return probe.check(new AbortController().signal);
}

/** A socket whose connect fails with `code`. */
function failingSocket(code: string): Socket {
  const socket = new Socket();
  process.nextTick(() => socket.destroy(Object.assign(new Error(`connect ${code}`), { code })));
  return socket;
}

describe('a tcp probe', () => {
  test('passes when the port accepts, and holds no connection afterwards', async () => {
    const server = await listener();
    const result = await check(server.port);
    expect(result).toMatchObject({ status: 'passing', reason: `connected to 127.0.0.1:${server.port}` });
    expect(result.durationMs).toBeGreaterThan(0);
    await until(() => server.open() === 0, 'the connection to be closed');
  });

  test('passes on IPv6', async () => {
    const server = await listener('::1');
    expect(await check(server.port, { host: '::1' })).toMatchObject({
      status: 'passing',
      reason: `connected to [::1]:${server.port}`,
    });
  });

  test('fails when the port refuses', async () => {
    const port = await freePort();
    expect(await check(port)).toMatchObject({
      status: 'failing',
      reason: `connect ECONNREFUSED 127.0.0.1:${port}`,
    });
  });

  test('fails at its deadline when nobody answers', async () => {
    const silent = new Socket();
    const result = await check(9, { timeoutMs: 50 }, { connect: () => silent });
    expect(result).toMatchObject({
      status: 'failing',
      reason: 'connecting to 127.0.0.1:9 took longer than 50 ms',
    });
    expect(silent.destroyed).toBe(true);
  });

  test.each(['127.0.0.1', '::1'])('finds localhost when the service listens on %s only', async (host) => {
    const server = await listener(host);
    expect(await check(server.port, { host: 'localhost' })).toMatchObject({ status: 'passing' });
  });

  test('ends at once when its signal aborts, and destroys the socket', async () => {
    const sockets: Socket[] = [];
    const connectToNobody = (): Socket => {
      sockets.push(new Socket());
      return sockets[0] as Socket;
    };
    const probe = await createProbe(tcpConfig(9), {
      clock: systemClock,
      network: { ...systemNetwork, connect: connectToNobody },
    });
    const stop = new AbortController();
    const checking = probe.check(stop.signal);
    await until(() => sockets.length === 1, 'the check to connect');
    stop.abort(new Error('enough'));
    expect(await checking).toMatchObject({ reason: 'enough' });
    expect(sockets[0]?.destroyed).toBe(true);
  });

  test('passes for a process that hangs, as the kernel accepts for it; an http probe fails', async () => {
    const { port, process } = await startHttpProcess();
    onTestFinished(() => void process.kill('SIGKILL'));
    process.kill('SIGSTOP');
    expect(await check(port)).toMatchObject({ status: 'passing' });
    const http = await createProbe(httpConfig(port, { timeoutMs: 250 }), { clock: systemClock });
    expect(await http.check(new AbortController().signal)).toMatchObject({
      status: 'failing',
      failure: 'timeout',
    });
  });

  test('refuses a connection that met itself', async () => {
    const port = await freePort();
    const meetsItself = (): Socket =>
      connect({ host: '127.0.0.1', port, localAddress: '127.0.0.1', localPort: port });
    expect(await check(port, {}, { connect: meetsItself })).toMatchObject({
      status: 'failing',
      reason: `nothing listens on port ${port}: the connection met itself`,
    });
  });

  test.each([
    ['the same address and port', '127.0.0.1', 80, true],
    ['another port', '127.0.0.1', 81, false],
    ['another address', '127.0.0.2', 80, false],
  ])('tells a self-connection by %s', (_name, localAddress, localPort, is) => {
    const socket = { localAddress, localPort, remoteAddress: '127.0.0.1', remotePort: 80 };
    expect(isSelfConnection(socket)).toBe(is);
  });

  test('fails for localhost when one family refuses and the other is not there', async () => {
    const network = {
      connect: ({ host }: { host: string }) =>
        failingSocket(host === '::1' ? 'EADDRNOTAVAIL' : 'ECONNREFUSED'),
    };
    expect(await check(9, { host: 'localhost' }, network)).toMatchObject({
      status: 'failing',
      reason: 'connect ECONNREFUSED; connect EADDRNOTAVAIL',
    });
  });
});

describe('a tcp probe of a host name', () => {
  test('is refused unless the configuration allows to resolve', async () => {
    await expect(
      createProbe(tcpConfig(80, { host: 'web.test' }), { clock: systemClock }),
    ).rejects.toMatchObject({
      code: 'BAD_INPUT',
    });
  });

  test('connects to any of the addresses, and to the last good ones while the lookup fails', async () => {
    const server = await listener();
    const answers = [['127.0.0.1'], new Error('queryA ETIMEOUT web.test')];
    const lookup = async (): Promise<readonly string[]> => {
      const answer = answers.shift();
      if (answer === undefined || answer instanceof Error) throw answer ?? new Error('no more answers');
      return answer;
    };
    const probe = await createProbe(tcpConfig(server.port, { host: 'web.test', resolve: true }), {
      clock: systemClock,
      network: { ...systemNetwork, lookup },
    });
    const { signal } = new AbortController();
    expect(await probe.check(signal)).toMatchObject({ status: 'passing' });
    expect(await probe.check(signal)).toMatchObject({ status: 'passing' });
  });

  test('asks no second time while a lookup hangs, and connects to the last good addresses', async () => {
    const server = await listener();
    let lookups = 0;
    const lookup = (): Promise<readonly string[]> =>
      ++lookups === 1 ? Promise.resolve(['127.0.0.1']) : new Promise(() => {});
    const probe = await createProbe(
      tcpConfig(server.port, { host: 'web.test', resolve: true, timeoutMs: 1500 }),
      { clock: systemClock, network: { ...systemNetwork, lookup } },
    );
    const { signal } = new AbortController();
    const results: string[] = [];
    for (let i = 0; i < 5; i++) results.push((await probe.check(signal)).status);
    expect(results).toEqual(['passing', 'failing', 'passing', 'passing', 'passing']);
    expect(lookups).toBe(2);
  });

  test('fails when the name was never resolved', async () => {
    const lookup = async (): Promise<never> => {
      throw new Error('getaddrinfo ENOTFOUND web.test');
    };
    expect(await check(80, { host: 'web.test', resolve: true }, { lookup })).toMatchObject({
      status: 'failing',
      reason: 'getaddrinfo ENOTFOUND web.test',
    });
  });

  test('counts a hanging lookup against the one deadline', async () => {
    const lookup = (): Promise<never> => new Promise(() => {});
    const result = await check(80, { host: 'web.test', resolve: true, timeoutMs: 50 }, { lookup });
    expect(result).toMatchObject({
      status: 'failing',
      reason: 'connecting to web.test:80 took longer than 50 ms',
    });
  });
});
