/** A held connection tells of a death within milliseconds, and never takes a living service off the list. */
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server, Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../runtime/clock.js';
import { deferred } from '../../runtime/deferred.js';
import { seededRandom } from '../../runtime/random.js';
import { VirtualClock } from '../../runtime/virtual-clock.js';
import type { ProbeConfig } from '../../sidecar/config/config.js';
import { Prober } from '../../sidecar/prober.js';
import { createProbe } from '../../sidecar/probes/create.js';
import { type Dial, systemNetwork } from '../../sidecar/probes/dial.js';
import { Hold } from '../../sidecar/probes/hold.js';
import type { CheckResult } from '../../sidecar/probes/probe.js';
import { type HealthChange, ServiceHealth } from '../../sidecar/service-health.js';
import {
  freePort,
  type HttpProcess,
  httpConfig,
  serve,
  startHttpProcess,
  tcpConfig,
  track,
  until,
} from './support.js';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Detection must come from the held connection: no other check is due within the test. */
const RARE = { intervalMs: 60_000, fastIntervalMs: 60_000, rise: 1, fall: 3, hold: true } as const;

async function watch(
  ...configs: ProbeConfig[]
): Promise<{ health: ServiceHealth; changes: HealthChange[]; checks: () => number }> {
  const context = { clock: systemClock, random: seededRandom(1), lag: { stalledSince: () => 0 } };
  const probers = await Promise.all(
    configs.map(async (config) => new Prober(await createProbe(config, context), config, context)),
  );
  const health = new ServiceHealth('orders', probers);
  closers.push(() => health.close());
  const changes: HealthChange[] = [];
  health.onChange((change) => changes.push(change));
  let checks = 0;
  for (const prober of probers) prober.onResult(() => checks++);
  return { health, changes, checks: () => checks };
}

async function startChild(): Promise<HttpProcess> {
  const child = await startHttpProcess();
  closers.push(() => child.process.kill('SIGKILL'));
  return child;
}

test('a server that closes its port and waits for its connections to end does not wait for ours', async () => {
  const server = createHttpServer((_request, response) => response.end());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const { health } = await watch(httpConfig(port, { ...RARE, intervalMs: 50, fastIntervalMs: 50 }));
  await until(() => health.probers[0]?.probe.hold?.state === 'open', 'a held connection');
  server.close();
  await once(server, 'close');
});

describe('SIGKILL of the service', () => {
  test.each([
    ['tcp', tcpConfig],
    ['http', httpConfig],
  ] as const)(
    'is noticed by a %s probe long before its next check, a minute away',
    async (type, configOf) => {
      const child = await startChild();
      const { health, changes } = await watch(configOf(child.port, RARE));
      await until(() => health.listed, 'the service to be listed');
      await heldOpen(health);
      const killedAt = performance.now();
      const failed = new Promise<number>((resolve) => health.onChange(() => resolve(performance.now())));
      child.process.kill('SIGKILL');
      console.log(`SIGKILL -> failing, ${type} probe: ${((await failed) - killedAt).toFixed(1)} ms`);
      expect(changes.at(-1)).toEqual({
        from: 'passing',
        to: 'failing',
        cause: `probe ${type} is failing: refused twice: nobody listens on 127.0.0.1:${child.port}`,
      });
    },
  );
});

test('a service that dies soon after each of its starts is held each time', async () => {
  const { server, port, sockets } = await listener(await freePort());
  let current = server;
  const { health } = await watch(tcpConfig(port, { ...RARE, intervalMs: 300 }));
  const held: (string | undefined)[] = [];
  health.onChange(({ to }) => to === 'passing' && held.push(health.probers[0]?.probe.hold?.state));
  for (let life = 1; life <= 5; life++) {
    await until(() => held.length === life && sockets.size > 0, 'a held connection');
    current.close();
    for (const socket of sockets) socket.destroy();
    await until(() => health.state === 'failing', 'its death');
    current = (await listener(port, sockets)).server;
  }
  expect(held).toEqual(Array(5).fill('connecting'));
});

/** Resolves once no probe is still connecting what it holds: a turn of the loop after the first good check. */
async function heldOpen(health: ServiceHealth): Promise<void> {
  const connecting = () => health.probers.some(({ probe }) => probe.hold?.state === 'connecting');
  await until(() => !connecting(), 'the held connections');
}

describe('never takes a service off the list', () => {
  test('that closes every idle connection at once, and does not check it in a storm', async () => {
    const server = await serve((socket) => socket.end());
    closers.push(server.close);
    const { health, changes, checks } = await watch(tcpConfig(server.port, { ...RARE, intervalMs: 100 }));
    await until(() => checks() >= 10, 'ten checks');
    const { recent } = health.probers[0]?.status() ?? { recent: [] };
    expect(changes.map(({ to }) => to)).toEqual(['passing']);
    // Those of its schedule and no more than those of a few connections: 1, 1, and one after 100 ms, 200 ms, 400 ms.
    const lastedMs = (recent.at(-1)?.at ?? 0) - (recent[0]?.at ?? 0);
    expect(checks()).toBeLessThanOrEqual(lastedMs / 100 + 2 + Math.log2(lastedMs / 100 + 1) + 2);
  });

  test('whose listener is replaced again and again, as by a reload', async () => {
    const { server, port, sockets } = await listener(await freePort());
    let current = server;
    const { health, changes, checks } = await watch(tcpConfig(port, { ...RARE, intervalMs: 50 }));
    await until(() => health.listed, 'the service to be listed');
    for (let reload = 0; reload < 20; reload++) {
      const before = checks();
      current.close();
      for (const socket of sockets) socket.destroy();
      current = (await listener(port, sockets)).server;
      await until(() => checks() > before, 'the next check');
    }
    expect(changes.map(({ to }) => to)).toEqual(['passing']);
  });

  test('that serves one connection at a time: the held one is given up and the checks pass again', async () => {
    const waiting: Socket[] = [];
    let serving: Socket | undefined;
    const next = (): void => {
      if (serving !== undefined) return;
      do serving = waiting.shift();
      while (serving?.destroyed);
      serving?.resume().once('data', () => serving?.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'));
      serving?.once('close', () => {
        serving = undefined;
        next();
      });
    };
    const server = await serve((socket) => {
      waiting.push(socket.pause());
      next();
    });
    closers.push(server.close);
    const fast = { ...RARE, intervalMs: 100, fastIntervalMs: 50, rise: 2, fall: 20, timeoutMs: 100 };
    const { health, changes } = await watch(tcpConfig(server.port, fast), httpConfig(server.port, fast));
    await until(
      () => health.probers.every(({ probe }) => probe.hold?.state === 'given up'),
      'both to give up',
    );
    await until(() => health.listed, 'the service to be listed');
    expect(changes.map(({ to }) => to)).toEqual(['passing']);
  });

  test.each(['ECONNREFUSED', 'ECONNRESET'])('that answers only once with %s', async (code) => {
    const server = await serve(() => {});
    closers.push(server.close);
    expect(await checkAfter(code, server.port)).toMatchObject({ status: 'passing' });
  });
});

/** What a tcp check says whose first connection fails with this code. */
async function checkAfter(code: string, onPort: number): Promise<CheckResult> {
  let failures = 1;
  const connect = ({ host, port }: { host: string; port: number }): Socket => {
    const socket = new Socket();
    if (failures-- > 0) queueMicrotask(() => socket.destroy(failed(code)));
    else socket.connect({ host, port });
    return socket;
  };
  const network = { ...systemNetwork, connect };
  const probe = await createProbe(tcpConfig(onPort, RARE), { clock: systemClock, network });
  closers.push(() => probe.hold?.close());
  return probe.check(new AbortController().signal);
}

function failed(code: string): Error {
  return Object.assign(new Error(`connect ${code}`), { code });
}

function refused(): Error {
  return failed('ECONNREFUSED');
}

async function listener(
  port: number,
  sockets: Set<Socket> = new Set(),
): Promise<{ server: Server; port: number; sockets: Set<Socket> }> {
  const server = createServer((socket) => {
    sockets.add(socket.resume().on('error', () => {}));
    socket.once('close', () => sockets.delete(socket));
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const address = server.address();
  return { server, port: typeof address === 'object' && address !== null ? address.port : 0, sockets };
}

describe('two refusals', () => {
  test('fail a service at once that was listed, whatever fall is', async () => {
    const server = await serve(() => {});
    const { health, changes } = await watch(tcpConfig(server.port, { ...RARE, fall: 1000 }));
    await until(() => health.listed, 'the service to be listed');
    await server.close();
    await until(() => health.state === 'failing', 'the service to fail');
    expect(changes.at(-1)?.cause).toContain('refused twice: nobody listens');
  });

  test('may be a reset and one refusal, as of a port that just closes', async () => {
    const server = await serve(() => {});
    await server.close();
    expect(await checkAfter('ECONNRESET', server.port)).toMatchObject({
      status: 'failing',
      failure: 'nobody-listens',
    });
  });

  test('of a service that is still starting count like any failure', async () => {
    const server = await serve(() => {});
    await server.close();
    const { health, checks } = await watch(tcpConfig(server.port, RARE));
    await until(() => checks() === 1, 'a check');
    expect(health.probers[0]?.health).toEqual({ state: 'starting', successes: 0, failures: 1 });
  });

  test('of another host are no proof', async () => {
    const connect = (): Socket => new Socket().destroy(refused());
    const config = tcpConfig(80, { host: '10.0.0.1', hold: true });
    const probe = await createProbe(config, {
      clock: systemClock,
      network: { ...systemNetwork, connect },
    });
    const result = await probe.check(new AbortController().signal);
    expect(result).toMatchObject({ status: 'failing', reason: 'connect ECONNREFUSED' });
    expect(result).not.toHaveProperty('failure');
  });
});

test('closing the prober closes what it holds', async () => {
  const server = await track(createHttpServer((_, response) => response.end('ok')));
  closers.push(server.close);
  const { health } = await watch(httpConfig(server.port, RARE));
  await until(() => health.listed && server.open() === 1, 'the held connection alone');
  await health.close();
  await until(() => server.open() === 0, 'it to be closed');
});

describe('a hold', () => {
  /** A dial whose connections end when told to, under a virtual clock. */
  function held(): {
    clock: VirtualClock;
    hold: Hold;
    dials: number[];
    ends: number[];
    end: () => Promise<void>;
  } {
    const clock = new VirtualClock();
    const dials: number[] = [];
    const ends: number[] = [];
    let refuse = deferred<Socket>();
    const dial: Dial = () => {
      dials.push(clock.now());
      refuse = deferred();
      return refuse.promise;
    };
    const hold = new Hold(dial, 1000, clock);
    hold.onEnd(() => ends.push(clock.now()));
    const end = async (): Promise<void> => {
      refuse.reject(refused());
      await clock.advance(0);
    };
    return { clock, hold, dials, ends, end };
  }

  test('waits twice as long after each early end but the first, up to 30 s', async () => {
    const { clock, hold, dials, end } = held();
    for (let ms = 0; ms < 200_000; ms += 500) {
      const before = dials.length;
      hold.keep();
      if (dials.length > before) await end();
      await clock.advance(500);
    }
    const waits = dials.map((at, i) => at - (dials[i - 1] ?? 0));
    expect(waits.slice(0, 9)).toEqual([0, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
  });

  test('whose early end was that of its service is made again at once, however often that dies', async () => {
    const { clock, hold, dials, end } = held();
    for (let life = 0; life < 5; life++) {
      hold.keep();
      await end();
      hold.release();
      await clock.advance(500);
    }
    expect(dials).toEqual([0, 500, 1000, 1500, 2000]);
  });

  test('that was given up stays so when nobody listens any more', () => {
    const { hold, dials } = held();
    hold.close();
    hold.release();
    hold.keep();
    expect(dials).toEqual([]);
    expect(hold.state).toBe('given up');
  });

  test('that lasted an interval is made again at once', async () => {
    const { clock, hold, dials, ends, end } = held();
    for (let i = 0; i < 10; i++) {
      hold.keep();
      await clock.advance(1000);
      await end();
    }
    expect(dials).toEqual(ends.map((at) => at - 1000));
    expect(ends).toHaveLength(10);
  });

  test('is made once, however often it is asked for', async () => {
    const { hold, dials } = held();
    for (let i = 0; i < 5; i++) hold.keep();
    expect(dials).toHaveLength(1);
    hold.close();
  });

  test('that checks time out beside is let go without an event, and for good after the second time', () => {
    const { hold, dials, ends } = held();
    for (let i = 0; i < 5; i++) {
      hold.keep();
      hold.suspect();
    }
    expect(dials).toHaveLength(2);
    expect(ends).toEqual([]);
    expect(hold.state).toBe('given up');
  });

  test('that has lasted for long is not to blame', async () => {
    const { clock, hold } = held();
    hold.keep();
    await clock.advance(60_001);
    for (let i = 0; i < 3; i++) hold.suspect();
    expect(hold.state).toBe('connecting');
    hold.close();
  });
});
