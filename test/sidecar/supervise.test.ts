/** What supervising decides, apart from the processes: exit codes, restarts, settings, environment, and one life. */
import { EventEmitter } from 'node:events';
import { describe, expect, test } from 'vitest';
import { splitAtDashes } from '../../cli/arguments.js';
import { passSignalsOn, stoppedBy, stopSignals } from '../../cli/signals.js';
import { systemClock } from '../../runtime/clock.js';
import { silentLogger } from '../../runtime/logger.js';
import { seededRandom } from '../../runtime/random.js';
import { describeEnding, type Ending, endingOf, exitCodeOf } from '../../sidecar/supervise/ending.js';
import { childEnvironment, flagsWithPort } from '../../sidecar/supervise/environment.js';
import {
  endsInARow,
  LASTING_RUN_MS,
  RESTART_POLICIES,
  restartsAfter,
  restartWaitMs,
} from '../../sidecar/supervise/restart.js';
import { superviseSettings } from '../../sidecar/supervise/settings.js';
import { type SuperviseOptions, Supervisor } from '../../sidecar/supervise/supervisor.js';
import { load } from '../helpers/config.js';

const exited = (code: number): Ending => ({ type: 'exited', code });
const killed = (signal: NodeJS.Signals): Ending => ({ type: 'killed', signal });

describe('an exit code', () => {
  test.each<[number | null, NodeJS.Signals | null, number, string]>([
    [0, null, 0, 'exited with 0'],
    [7, null, 7, 'exited with 7'],
    [null, 'SIGTERM', 143, 'was ended by SIGTERM'],
    [null, 'SIGKILL', 137, 'was ended by SIGKILL'],
    [null, 'SIGINT', 130, 'was ended by SIGINT'],
  ])('of (%s, %s) is %i: it %s', (code, signal, expected, words) => {
    const ending = endingOf(code, signal);
    expect([exitCodeOf(ending), describeEnding(ending)]).toEqual([expected, words]);
  });
});

describe('a restart', () => {
  test.each([
    [exited(0), [false, false, true]],
    [exited(1), [false, true, true]],
    [killed('SIGSEGV'), [false, true, true]],
  ])('after %j, for each policy', (ending, expected) => {
    expect(RESTART_POLICIES.map((policy) => restartsAfter(policy, ending))).toEqual(expected);
  });

  test('waits at least 100 ms, within twice the time at each end in a row, and never above 30.1 s', () => {
    const random = seededRandom(1);
    const longest = [1, 2, 3, 4, 7, 50].map((ends) =>
      Math.max(...Array.from({ length: 2000 }, () => restartWaitMs(ends, random))),
    );
    const limits = [600, 1100, 2100, 4100, 30_100, 30_100];
    for (const [i, limit] of limits.entries()) {
      expect(longest[i]).toBeLessThanOrEqual(limit);
      expect(longest[i]).toBeGreaterThan(limit * 0.98);
    }
    expect(Math.min(...Array.from({ length: 2000 }, () => restartWaitMs(9, random)))).toBeGreaterThanOrEqual(
      100,
    );
  });

  test('is the first again after a run that lasted', () => {
    expect([endsInARow(0, 10), endsInARow(4, 10), endsInARow(4, LASTING_RUN_MS)]).toEqual([1, 5, 1]);
  });
});

describe('the command line', () => {
  test.each([
    [['--port', '80'], { own: ['--port', '80'], command: undefined }],
    [['--port', '80', '--', 'node', '-h'], { own: ['--port', '80'], command: ['node', '-h'] }],
    [['--', 'npm', 'run', 'x', '--', '-v'], { own: [], command: ['npm', 'run', 'x', '--', '-v'] }],
    [['--'], { own: [], command: [] }],
  ])('%j is split at the first --', (args, expected) => {
    expect(splitAtDashes(args)).toEqual(expected);
  });

  test('has defaults for what is not said', () => {
    expect(superviseSettings({}, ['node', 'x'])).toEqual({
      command: ['node', 'x'],
      restart: 'never',
      stopTimeoutMs: 10_000,
    });
    expect(superviseSettings({ restart: 'always', 'stop-timeout': '2m' }, ['x'])).toEqual({
      command: ['x'],
      restart: 'always',
      stopTimeoutMs: 120_000,
    });
    expect(superviseSettings({}, undefined)).toBeUndefined();
  });

  test('is wrong all at once', () => {
    expect(() => superviseSettings({ restart: 'no', 'stop-timeout': 'x' }, [''])).toThrow(
      'expected a command after it, got "", at --\n' +
        'expected one of: never, on-failure, always, got "no", at --restart\n' +
        'expected a duration such as "500ms" or "10s", got "x", at --stop-timeout',
    );
    expect(() => superviseSettings({ 'stop-timeout': '1s' }, undefined)).toThrow(
      'expected a command after --, got none, at --stop-timeout',
    );
  });
});

describe('PORT', () => {
  test.each([
    [{}, { PORT: '81' }, '81'],
    [{ port: '80' }, { PORT: '81' }, '80'],
    [{}, { PORT: '81', PILOTFISH_PORT: '82' }, undefined],
    [{}, { PORT: '81', PILOTFISH_CONFIG: 'a.yaml' }, undefined],
    [{ config: 'a.yaml' }, { PORT: '81' }, undefined],
    [{}, { PORT: '' }, undefined],
    [{}, {}, undefined],
  ])('with flags %j and environment %j, --port is %s', (flags, env, port) => {
    expect(flagsWithPort(flags, env)).toEqual(port === undefined ? flags : { ...flags, port });
  });

  test.each(['0', '65536', 'http', '-1', '8e3'])('%s is refused', (PORT) => {
    expect(() => flagsWithPort({}, { PORT })).toThrow(/^expected a port from 1 to 65535, got .+, at PORT$/);
  });

  const one = { name: 'a', port: 8080 };
  const two = { name: 'b', port: 8081 };
  test.each([
    ['--port', { port: '80' }, { PORT: '81' }, [one], '80'],
    ['our variable', {}, { PORT: '81', PILOTFISH_PORT: '82' }, [one], '82'],
    ['what it was, as the file may name a published port', {}, { PORT: '81' }, [one], '81'],
    ['the only port of the file', {}, {}, [one], '8080'],
    [
      'the only port of the file beside a Service named pilotfish',
      {},
      { PILOTFISH_SERVICE_HOST: '10.0.0.1', PILOTFISH_PORT: 'tcp://10.0.0.1:9190' },
      [one],
      '8080',
    ],
    ['not set where the file has several', {}, {}, [one, two], undefined],
  ])('of the command is %s', async (_, flags, env, services, port) => {
    const { config } = await load({ file: { services } });
    expect(childEnvironment(flags, env, config).PORT).toBe(port);
  });

  test('comes with the rest of the environment, but for what systemd says to us', async () => {
    const { config } = await load({ file: { services: [one] } });
    const ours = { NOTIFY_SOCKET: '/n', WATCHDOG_USEC: '1', WATCHDOG_PID: '1' };
    expect(childEnvironment({}, { HOME: '/root', ...ours }, config)).toEqual({ HOME: '/root', PORT: '8080' });
  });
});

describe('signals', () => {
  test('the stop knows which signal it was', () => {
    const target = new EventEmitter();
    const { signal } = stopSignals(target, () => {});
    target.emit('SIGINT', 'SIGINT');
    expect(stoppedBy(signal)).toBe('SIGINT');
    expect(stoppedBy(AbortSignal.abort())).toBe('SIGTERM');
  });

  test('the others are passed on until that is ended', () => {
    const target = new EventEmitter();
    const heard: string[] = [];
    const end = passSignalsOn(target, (name) => heard.push(name));
    for (const name of ['SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGTERM']) target.emit(name, name);
    end();
    expect(heard).toEqual(['SIGHUP', 'SIGUSR1', 'SIGUSR2']);
    expect(target.eventNames()).toEqual([]);
  });
});

describe('a supervisor', () => {
  function options(overrides: Partial<SuperviseOptions>): SuperviseOptions {
    return {
      command: ['true'],
      env: () => process.env,
      restart: 'never',
      stopTimeoutMs: 5_000,
      stop: new AbortController().signal,
      stopSignal: () => 'SIGTERM',
      startSidecar: async () => ({ drain: async () => {}, close: async () => {} }),
      onRunning: () => {},
      clock: systemClock,
      random: seededRandom(1),
      logger: silentLogger,
      ...overrides,
    };
  }

  test('stops the command even when the deregistration is not confirmed', async () => {
    const stop = new AbortController();
    const supervisor = new Supervisor(
      options({
        command: ['sleep', '60'],
        stop: stop.signal,
        startSidecar: async () => ({
          drain: async () => {},
          close: () => Promise.reject(new Error('not confirmed')),
        }),
        onRunning: () => stop.abort(),
      }),
    );
    expect(await supervisor.run()).toBe(143);
  });

  test('drains and closes the sidecar before the command is sent its signal', async () => {
    const stop = new AbortController();
    const events: string[] = [];
    const supervisor = new Supervisor(
      options({
        command: ['sleep', '60'],
        stop: stop.signal,
        startSidecar: async () => ({
          drain: async () => void events.push('drain'),
          close: async () => void events.push('close'),
        }),
        stopSignal: () => {
          events.push('signal');
          return 'SIGTERM';
        },
        onRunning: () => stop.abort(),
      }),
    );
    expect(await supervisor.run()).toBe(143);
    expect(events).toEqual(['drain', 'close', 'signal']);
  });

  test('does not drain when the command has ended by itself: nothing is left to finish', async () => {
    const events: string[] = [];
    const startSidecar: SuperviseOptions['startSidecar'] = async () => ({
      drain: async () => void events.push('drain'),
      close: async () => void events.push('close'),
    });
    expect(await new Supervisor(options({ startSidecar })).run()).toBe(0);
    expect(events).toEqual(['close']);
  });

  test('starts nothing when the sidecar cannot start', async () => {
    const problem = new Error('the port is taken');
    const running: string[] = [];
    const startSidecar = (): Promise<never> => Promise.reject(problem);
    const supervisor = new Supervisor(options({ startSidecar, onRunning: () => running.push('running') }));
    await expect(supervisor.run()).rejects.toBe(problem);
    expect(running).toEqual([]);
  });

  test('starts no command when the stop comes while the sidecar starts, and ends with 0', async () => {
    const stop = new AbortController();
    const events: string[] = [];
    const startSidecar: SuperviseOptions['startSidecar'] = async () => {
      stop.abort();
      return {
        drain: async () => void events.push('drained'),
        close: async () => void events.push('closed'),
      };
    };
    const onRunning = (): void => void events.push('running');
    expect(await new Supervisor(options({ stop: stop.signal, startSidecar, onRunning })).run()).toBe(0);
    expect(events).toEqual(['drained', 'closed']);
  });

  test('gives each run a sidecar of its own, the old one closed before the next is started', async () => {
    const stop = new AbortController();
    const events: string[] = [];
    let runs = 0;
    const startSidecar: SuperviseOptions['startSidecar'] = async () => {
      const run = ++runs;
      events.push(`start ${run}`);
      if (run === 3) stop.abort();
      return {
        drain: async () => void events.push(`drain ${run}`),
        close: async () => void events.push(`close ${run}`),
      };
    };
    const onRunning = (): void => void events.push('running');
    const supervisor = new Supervisor(
      options({ command: ['false'], restart: 'always', stop: stop.signal, startSidecar, onRunning }),
    );
    expect(await supervisor.run()).toBe(1);
    expect(events).toEqual([
      ...['start 1', 'running', 'close 1'],
      ...['start 2', 'close 2'],
      ...['start 3', 'drain 3', 'close 3'],
    ]);
  });
});
