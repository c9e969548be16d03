/** What systemd is told, and that a sign of life takes more than a running process. */
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { silentLogger } from '../../runtime/logger.js';
import { VirtualClock } from '../../runtime/virtual-clock.js';
import { longestSilenceMs, progress, type StatusReport } from '../../sidecar/supervise/progress.js';
import { serviceManager, watchdogIntervalMs } from '../../sidecar/supervise/service-manager.js';
import { readStatus, startWatchdog } from '../../sidecar/supervise/watchdog.js';
import { tcpConfig, ttlConfig } from './support.js';

/** Longer than a shell takes to start on the busiest machine. */
const UNHURRIED_MS = 60_000;

describe('systemd-notify', () => {
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'pilotfish-notify-'));
  });
  afterAll(() => rm(directory, { recursive: true }));

  /** On a PATH of its own; notes what it was told after a moment that differs from call to call. */
  async function environment(
    script: string,
  ): Promise<{ env: Record<string, string>; told: () => Promise<string> }> {
    const bin = await mkdtemp(join(directory, 'bin-'));
    const file = join(bin, 'told');
    await writeFile(join(bin, 'systemd-notify'), `#!/bin/sh\n${script.replaceAll('FILE', file)}\n`);
    await chmod(join(bin, 'systemd-notify'), 0o755);
    const env = { PATH: `${bin}:${process.env.PATH}`, NOTIFY_SOCKET: '/socket' };
    return { env, told: () => readFile(file, 'utf8') };
  }

  test('is told one thing after the other, and where the socket is', async () => {
    const slowFirst = 'case "$*" in *READY*) sleep 0.2;; esac; echo "$NOTIFY_SOCKET $*" >>FILE';
    const { env, told } = await environment(slowFirst);
    const errors: string[] = [];
    const manager = serviceManager(env, 42, (cause) => errors.push(cause), UNHURRIED_MS);
    manager.ready();
    manager.alive();
    manager.stopping();
    await manager.settled();
    expect(await told()).toBe('/socket --pid=42 READY=1\n/socket WATCHDOG=1\n/socket STOPPING=1\n');
    expect(errors).toEqual([]);
  });

  test.each([
    ['is not there', { PATH: '/nowhere', NOTIFY_SOCKET: '/socket' }, /ENOENT/],
    ['fails', undefined, /no permission/],
  ])('that %s is reported for each message, and harms nothing', async (_, given, cause) => {
    const { env } = await environment('echo no permission >&2; exit 1');
    const errors: string[] = [];
    const manager = serviceManager(given ?? env, 42, (error) => errors.push(error), UNHURRIED_MS);
    manager.ready();
    manager.stopping();
    await manager.settled();
    expect(errors).toEqual([expect.stringMatching(cause), expect.stringMatching(cause)]);
  });
});

describe('a sign of life is due', () => {
  const socket = { NOTIFY_SOCKET: '/n' };
  test.each([
    ['twice within the limit', { ...socket, WATCHDOG_USEC: '30000000' }, 15_000],
    [
      'when it is meant for this process',
      { ...socket, WATCHDOG_USEC: '30000000', WATCHDOG_PID: '42' },
      15_000,
    ],
    [
      'never when it is meant for another',
      { ...socket, WATCHDOG_USEC: '30000000', WATCHDOG_PID: '41' },
      undefined,
    ],
    ['never without a socket', { WATCHDOG_USEC: '30000000' }, undefined],
    ['never when none is asked for', { ...socket, WATCHDOG_USEC: '0' }, undefined],
    ['never when the limit is no number', { ...socket, WATCHDOG_USEC: 'x' }, undefined],
    ['never when there is no limit', socket, undefined],
  ])('%s', (_, env, expected) => {
    expect(watchdogIntervalMs(env, 42)).toBe(expected);
  });
});

/** What the status says of one probe whose newest result is of `at`. */
function report(at: number | undefined): StatusReport {
  const probe = { name: 'tcp', recent: at === undefined ? [] : [{ at }] };
  return { services: [{ name: 'orders', id: 'o1', health: { probes: [probe] } }] };
}

const KEY = 'orders/o1/tcp';
const LIMITS = new Map([[KEY, 1_000]]);

describe('progress', () => {
  test.each<[string, number | undefined, number | undefined, number, readonly string[]]>([
    ['a new result', 1, 2, 5_000, []],
    ['the same result for as long as the schedule allows', 1, 1, 1_000, []],
    ['the same result for longer', 1, 1, 1_001, [KEY]],
    ['no result yet', undefined, undefined, 1_000, []],
    ['no result ever', undefined, undefined, 1_001, [KEY]],
    ['an older result, after the wall clock was set back', 9, 1, 5_000, []],
  ])('%s', (_, first, second, laterMs, stuck) => {
    const { seen } = progress(new Map(), report(first), LIMITS, 0);
    expect(progress(seen, report(second), LIMITS, laterMs).stuck).toEqual(stuck);
  });

  test('is not asked of a probe without a limit', () => {
    const { seen } = progress(new Map(), report(1), new Map(), 0);
    expect(progress(seen, report(1), new Map(), 1e9).stuck).toEqual([]);
  });

  test.each([
    [
      'a check late by its jitter and its timeout',
      tcpConfig(1, { intervalMs: 5_000, jitter: 0.1, timeoutMs: 800 }),
      8_800,
    ],
    ['the silence that a ttl allows', ttlConfig({ ttlMs: 30_000 }), 32_000],
    ['the grace before the first heartbeat', ttlConfig({ ttlMs: 30_000, startGraceMs: 60_000 }), 62_000],
  ])('leaves two seconds beyond %s', (_, probe, expected) => {
    expect(longestSilenceMs(probe)).toBe(expected);
  });
});

describe('the watchdog', () => {
  function watched(statusAt: (now: number) => StatusReport | undefined | Error) {
    const clock = new VirtualClock();
    let signs = 0;
    const end = startWatchdog({
      clock,
      logger: silentLogger,
      intervalMs: 500,
      limits: () => LIMITS,
      readStatus: async () => {
        const status = statusAt(clock.now());
        if (status instanceof Error) throw status;
        return status;
      },
      alive: () => signs++,
    });
    const signsWithin = async (ms: number): Promise<number> => {
      const before = signs;
      await clock.advance(ms);
      return signs - before;
    };
    return { clock, end, signsWithin };
  }

  test('is fed at every interval while results come', async () => {
    const { signsWithin } = watched((now) => report(now));
    expect(await signsWithin(499)).toBe(0);
    expect(await signsWithin(9_501)).toBe(20);
  });

  test('starves while a probe stands still and is fed again when it moves', async () => {
    const { signsWithin } = watched((now) => report(now < 2_000 ? 1 : now < 4_000 ? 2 : now));
    expect(await signsWithin(1_500)).toBe(3);
    expect(await signsWithin(400)).toBe(0);
    expect(await signsWithin(1_150)).toBe(3);
    expect(await signsWithin(900)).toBe(0);
    expect(await signsWithin(2_050)).toBe(5);
  });

  test('starves while the sidecar does not answer', async () => {
    const { signsWithin } = watched((now) => (now < 1_000 ? new Error('refused') : report(now)));
    expect(await signsWithin(999)).toBe(0);
    expect(await signsWithin(1_001)).toBe(3);
  });

  test('is fed between two runs, when there is no probe that could stand still', async () => {
    const { signsWithin } = watched(() => undefined);
    expect(await signsWithin(5_000)).toBe(10);
  });

  test('is given up by its end, which leaves no timer', async () => {
    const { clock, end, signsWithin } = watched((now) => report(now));
    end();
    expect(await signsWithin(5_000)).toBe(0);
    expect(clock.pending).toBe(0);
  });

  test('reads the status over HTTP, and takes no refusal for one', async () => {
    let status = 200;
    const server = createServer((_, response) => response.writeHead(status).end(JSON.stringify(report(1))));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    expect(await readStatus({ url }, new AbortController().signal)).toEqual(report(1));
    status = 503;
    await expect(readStatus({ url }, new AbortController().signal)).rejects.toThrow('answers with 503');
    server.closeAllConnections();
    server.close();
  });
});
