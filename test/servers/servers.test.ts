import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  fourLetterWord,
  type RunningServer,
  type ServerName,
  sharedServer,
  startServer,
  startZooKeeperEnsemble,
} from './index.js';

/** A way to leave a trace in each server, and to ask whether it is still there. */
interface Trace {
  leave(address: string): Promise<unknown>;
  isThere(address: string): Promise<boolean>;
}

const traces: Readonly<Record<ServerName, Trace>> = {
  zookeeper: {
    // Opening a session is a transaction, and the counter of transactions survives with the data.
    leave: openSession,
    isThere: async (address) => !/^Zxid: 0x0$/m.test(await fourLetterWord(address, 'srvr')),
  },
  consul: {
    leave: (address) => fetch(`http://${address}/v1/kv/trace`, { method: 'PUT', body: 'left' }),
    isThere: async (address) => (await fetch(`http://${address}/v1/kv/trace?raw`)).ok,
  },
  etcd: {
    leave: (address) => post(`http://${address}/v3/kv/put`, { key: base64('trace'), value: base64('left') }),
    isThere: async (address) =>
      'kvs' in (await post(`http://${address}/v3/kv/range`, { key: base64('trace') })),
  },
};

describe.each(['zookeeper', 'consul', 'etcd'] as const)('a %s of the test’s own', (name) => {
  const { leave, isThere } = traces[name];
  let server: RunningServer;

  beforeAll(async () => {
    server = await startServer(name);
  });
  afterAll(() => server?.stop());

  it('serves on loopback and is not the shared one', async () => {
    expect(server.address).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(server.address).not.toBe(sharedServer(name));
    expect(await isThere(server.address)).toBe(false);
  });

  it('keeps its data and its port over a crash', async () => {
    const { address, pid } = server;
    await leave(address);
    await server.kill();
    expect(server.pid).toBeUndefined();
    expect(await accepts(address)).toBe(false);

    await server.restart();
    expect(server.address).toBe(address);
    expect(server.pid).not.toBe(pid);
    expect(await isThere(address)).toBe(true);
  });

  it('is empty after a restart with wipe', async () => {
    await leave(server.address);
    await server.restart({ wipe: true });
    expect(await isThere(server.address)).toBe(false);
  });

  it('answers nothing while frozen, and again when thawed', async () => {
    server.freeze();
    // The signal reaches the threads of the server one after the other: one of them may still answer.
    const isSilent = (): Promise<boolean> =>
      isThereWithin(500).then(
        () => false,
        () => true,
      );
    await expect.poll(isSilent, { timeout: 10_000 }).toBe(true);
    server.thaw();
    await expect(isThereWithin(10_000)).resolves.toBe(false);
  });

  it('is gone with its data after stop, also when stopped twice or frozen', async () => {
    server.freeze();
    await server.stop();
    await server.stop();
    expect(await accepts(server.address)).toBe(false);
    expect(existsSync(server.dataDir)).toBe(false);
  });

  async function isThereWithin(limitMs: number): Promise<boolean> {
    const late = new Promise<never>((_, reject) => {
      AbortSignal.timeout(limitMs).onabort = () => reject(new Error('no answer'));
    });
    return Promise.race([isThere(server.address), late]);
  }
});

describe('the shared servers', () => {
  it.each(['zookeeper', 'consul', 'etcd'] as const)('include a %s that serves', async (name) => {
    await traces[name].leave(sharedServer(name));
    expect(await traces[name].isThere(sharedServer(name))).toBe(true);
  });
});

describe('a server that cannot start', () => {
  it('says how it ended and what it printed', async () => {
    await expect(startServer('etcd', { args: ['--data-dir=/dev/null/data'] })).rejects.toThrow(
      /etcd ended with code \d+ while starting.*\/dev\/null\/data/s,
    );
  });
});

describe('a ZooKeeper ensemble', () => {
  it('elects a leader, and another one when the leader dies', async () => {
    await using ensemble = await startZooKeeperEnsemble(3);
    const leader = await elected(ensemble.servers);
    await leader.kill();
    const rest = ensemble.servers.filter((server) => server !== leader);
    expect(rest).toContain(await elected(rest));
  });

  const elected = (servers: readonly RunningServer[]): Promise<RunningServer> =>
    vi.waitFor(() => leaderOf(servers), { timeout: 30_000 });

  async function leaderOf(servers: readonly RunningServer[]): Promise<RunningServer> {
    const answers = await Promise.all(servers.map(({ address }) => fourLetterWord(address, 'srvr')));
    const leader = servers[answers.findIndex((answer) => answer.includes('Mode: leader'))];
    if (!leader) throw new Error('expected one leader, got none');
    return leader;
  }
});

async function post(url: string, body: unknown): Promise<object> {
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(body) });
  return (await response.json()) as object;
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

/** The first message of a ZooKeeper client; resolves with the answer that confirms the session. */
function openSession(address: string): Promise<Buffer> {
  const request = Buffer.alloc(49);
  request.writeInt32BE(45, 0); // what follows: version, last zxid, timeout, session, password, read-only
  request.writeInt32BE(4_000, 16);
  request.writeInt32BE(16, 28);
  return new Promise((resolve, reject) => {
    const socket = connect(portOf(address), '127.0.0.1', () => socket.write(request));
    socket.once('error', reject);
    socket.once('data', (answer) => socket.end(() => resolve(answer)));
  });
}

function accepts(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(portOf(address), '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

function portOf(address: string): number {
  return Number(address.split(':')[1]);
}
