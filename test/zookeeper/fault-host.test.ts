/** Row 13 of the fault matrix, what a frozen server does to the rest of the process: nothing, it should be. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../end-to-end/world.js';
import { type Driver, NATIVE_BUILDS } from '../helpers/zk-drivers.js';
import { type RunningServer, startServer } from '../servers/index.js';
import { MessageProcess } from './fault-process.js';

/** Of several processes, so that the moments at which their sessions give up differ. */
const TIMEOUTS_MS = [2_000, 2_300, 2_600, 2_900];
/** It is a race, so the native driver gets several chances to lose it. */
const MOST_ROUNDS = 4;

type Host = MessageProcess<string, { readonly state?: string; readonly deaf?: number }>;

describe('row 13: sockets that a process opens while its registry server is frozen', () => {
  let server: RunningServer;
  let echo: Server;

  beforeAll(async () => {
    server = await startServer('zookeeper');
    echo = createServer((socket) => socket.on('error', () => {}).pipe(socket)).listen(0, '127.0.0.1');
    await once(echo, 'listening');
  });

  afterAll(async () => {
    echo.close();
    await server.stop();
  });

  /** In each process: the number of its 200 sockets that receive nothing any more. */
  async function deafSockets(driver: Driver): Promise<readonly number[]> {
    const { port } = echo.address() as AddressInfo;
    const starts = TIMEOUTS_MS.map((timeoutMs): Promise<Host> => {
      const url = `zookeeper://${server.address}?sessionTimeout=${timeoutMs}ms&driver=${driver}`;
      return MessageProcess.start('./fault-host.mjs', [url, String(port)]);
    });
    const hosts = await Promise.all(starts);
    try {
      server.freeze();
      await Promise.all(hosts.map((host) => untilIs(host, 'suspended').then(() => host.ask('open'))));
      server.thaw();
      await Promise.all(hosts.map((host) => untilIs(host, 'connected')));
      return await Promise.all(hosts.map(async (host) => (await host.ask('probe')).deaf ?? 0));
    } finally {
      server.thaw();
      await Promise.all(hosts.map((host) => host[Symbol.asyncDispose]()));
    }
  }

  test('wire: all go on receiving', async ({ annotate }) => {
    const deaf = await deafSockets('wire');
    await annotate(`row 13, wire: deaf of 200 sockets, in each process: ${deaf.join(', ')}`);
    expect(deaf).toEqual([0, 0, 0, 0]);
  });

  // The C client closes its descriptor behind the event loop's back, and whoever is given the number next pays for it.
  if (NATIVE_BUILDS) {
    test('native, a known failure: some are deaf for ever', { timeout: 60_000 }, async ({ annotate }) => {
      for (let round = 1; round <= MOST_ROUNDS; round++) {
        const deaf = await deafSockets('native');
        await annotate(`row 13, native: deaf of 200 sockets, in each process: ${deaf.join(', ')}`);
        if (deaf.some((count) => count > 0)) return;
      }
      expect.unreachable('the native driver did no harm: is it mended?');
    });
  }
});

function untilIs(host: Host, state: string): Promise<void> {
  return eventually(`the session is ${state}`, async () => (await host.ask('state')).state === state);
}
