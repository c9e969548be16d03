/** `pilotfish sidecar … -- command` with real processes: who is told what, when, and how it all ends. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CLI, type CliResult, type RunningCli, runCli, startCli } from '../helpers/cli.js';
import { canMakePidNamespace, PID_NAMESPACE } from '../helpers/pid-namespace.js';
import { freePort } from '../sidecar/support.js';
import { Caller, eventually, PATIENCE, ToyService, writeConfig } from './world.js';

let directory: string;
let registry: string;
let service: string;
let names = 0;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pilotfish-supervise-'));
  registry = `local:${join(directory, 'registry')}?poll=50ms`;
  service = await program('service.mjs', SERVICE);
});

afterAll(() => rm(directory, { recursive: true, force: true }));

/** Answers on PORT, ends with 7 at SIGTERM, and says what happens to it; `/die` ends it with 3. */
const SERVICE = `
import { createServer } from 'node:http';
const server = createServer((request, response) => {
  response.end('ok');
  if (request.url === '/die') process.exit(3);
}).listen(Number(process.env.PORT), '127.0.0.1', () => console.log('listens on ' + process.env.PORT));
process.on('SIGTERM', () => {
  console.log('SIGTERM at ' + Date.now());
  if (!process.argv.includes('deaf')) process.exit(7);
});
for (const name of ['SIGHUP', 'SIGUSR1', 'SIGUSR2']) process.on(name, () => console.log('got ' + name));
`;

async function program(name: string, source: string): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, source);
  return path;
}

function options(port: number | undefined, ...more: readonly string[]): readonly string[] {
  const timing = [
    '--interval',
    '100ms',
    '--timeout',
    PATIENCE,
    '--rise',
    '1',
    '--fall',
    '2',
    '--drain-wait',
    '0s',
  ];
  const place = ['--registry', registry, '--admin', '127.0.0.1:0', '--address', '127.0.0.1', '--id', 'one'];
  const name = ['--service', `supervised-${process.pid}-${++names}`];
  return [
    'sidecar',
    ...name,
    ...(port === undefined ? [] : ['--port', `${port}`]),
    ...place,
    ...timing,
    ...more,
  ];
}

function inline(source: string): readonly string[] {
  return ['--', process.execPath, '-e', source];
}

interface Supervised {
  readonly cli: RunningCli;
  readonly port: number;
  readonly caller: Caller;
}

/** The service, supervised and listed, for as long as `work` takes. */
async function supervised(
  work: (world: Supervised) => Promise<void>,
  { flags = [], args = [] }: { flags?: readonly string[]; args?: readonly string[] } = {},
): Promise<void> {
  const port = await freePort();
  const whole = [...options(port, '--probe', 'http:/', ...flags), '--', process.execPath, service, ...args];
  const caller = await Caller.of(registry, whole[2] as string);
  const cli = startCli(whole);
  try {
    await caller.sees('one');
    await work({ cli, port, caller });
  } finally {
    cli.child.kill('SIGTERM');
    cli.child.kill('SIGTERM');
    await cli.ended;
    await caller.close();
  }
}

/** Of the log on standard error, which may hold lines of others as well. */
function logLine(stderr: string, message: string): Record<string, unknown> | undefined {
  const lines = stderr.split('\n').filter((line) => line.startsWith('{'));
  return lines.map((line) => JSON.parse(line)).find((line) => line.message === message);
}

/** A zombie is as good as gone; only Linux says which are. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const stat = `/proc/${pid}/stat`;
  return !existsSync(stat) || !/\) Z /.test(readFileSync(stat, 'utf8'));
}

describe('a command that ends by itself ends the sidecar with its exit code', () => {
  test.each([
    ['its own', 'process.exit(3)', 3],
    ['none to complain of', '', 0],
    ['128 + 15 after SIGTERM', 'process.kill(process.pid, "SIGTERM"); setTimeout(() => {}, 60000)', 143],
    ['128 + 9 after SIGKILL', 'process.kill(process.pid, "SIGKILL"); setTimeout(() => {}, 60000)', 137],
  ])('%s', async (_, source, code) => {
    expect((await runCli([...options(await freePort()), ...inline(source)])).code).toBe(code);
  });

  test('and is deregistered at once, before any probe could tell', async () => {
    await supervised(
      async ({ cli, port }) => {
        await fetch(`http://127.0.0.1:${port}/die`);
        const { code, stderr } = await cli.ended;
        expect(code).toBe(3);
        expect(logLine(stderr, 'deregistered')).toMatchObject({ cause: 'the sidecar stops' });
      },
      { flags: ['--fall', '1000'] },
    );
  });
});

describe('a command that cannot be started', () => {
  test.each([
    [
      'that is not there',
      'no-such-program',
      127,
      /^pilotfish: cannot start "no-such-program": no such program$/m,
    ],
    ['that is no program', '/etc/passwd', 126, /^pilotfish: cannot start "\/etc\/passwd": .*EACCES$/m],
  ])('one %s is a clear error, and nothing is registered', async (_, name, code, line) => {
    const result = await runCli([...options(await freePort()), '--', name]);
    expect(result.code).toBe(code);
    expect(result.stderr).toMatch(line);
    expect(logLine(result.stderr, 'registered')).toBeUndefined();
  });

  test.each([
    [['--'], 'expected a command after it, got nothing, at --'],
    [['--restart', 'always'], 'expected a command after --, got none, at --restart'],
    [['--stop-timeout', '5', '--', 'true'], /got "5", at --stop-timeout$/m],
    [['--restart', 'sometimes', '--', 'true'], /^.*one of: never, on-failure, always, got "sometimes"/m],
  ])('%j is bad input', async (args, message) => {
    const result = await runCli([...options(8080), ...args]);
    expect(result.code).toBe(2);
    expect(result.stderr).toMatch(message);
  });
});

describe('SIGTERM', () => {
  test('reaches the command only when nobody can find it any more', async () => {
    await supervised(async ({ cli, caller }) => {
      cli.child.kill('SIGTERM');
      const { code, stdout, stderr } = await cli.ended;
      expect(code).toBe(7);
      const deregisteredAt = Date.parse(String(logLine(stderr, 'deregistered')?.time));
      const signalledAt = Number(/SIGTERM at (\d+)/.exec(stdout)?.[1]);
      expect(signalledAt).toBeGreaterThanOrEqual(deregisteredAt);
      await caller.sees();
    });
  });

  test('kills a command that is deaf to it after the limit, with all of its group', async () => {
    const port = await freePort();
    const source = `
      const { spawn } = require('node:child_process');
      process.on('SIGTERM', () => {});
      const below = spawn('sleep', ['300'], { stdio: 'ignore' });
      console.log('pids ' + process.pid + ' ' + below.pid);
      setInterval(() => {}, 1000);`;
    const cli = startCli([...options(port, '--stop-timeout', '400ms'), ...inline(source)]);
    await cli.until((stdout) => /pids \d+ \d+\n/.test(stdout));
    const pids = /pids (\d+) (\d+)/.exec(cli.stdout())?.slice(1).map(Number) as number[];
    const askedAt = performance.now();
    cli.child.kill('SIGTERM');
    expect((await cli.ended).code).toBe(137);
    expect(performance.now() - askedAt).toBeGreaterThanOrEqual(400);
    await eventually('all of them gone', () => !pids.some(isAlive));
  });

  test('a second one ends everything on the spot', async () => {
    await supervised(
      async ({ cli, port }) => {
        cli.child.kill('SIGTERM');
        await cli.until((stdout) => stdout.includes('SIGTERM at'));
        const pid = Number(logLine(cli.stderr(), 'the command runs')?.pid);
        expect(isAlive(pid)).toBe(true);
        cli.child.kill('SIGTERM');
        expect((await cli.ended).code).toBe(1);
        await eventually('the command is gone', () => !isAlive(pid));
        await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow();
      },
      { flags: ['--stop-timeout', '5m'], args: ['deaf'] },
    );
  });

  test('SIGINT is passed on as SIGINT', async () => {
    const cli = startCli([
      ...options(await freePort()),
      ...inline('setInterval(() => {}, 1000); console.log(1)'),
    ]);
    await cli.until((stdout) => stdout.includes('1'));
    cli.child.kill('SIGINT');
    expect((await cli.ended).code).toBe(130);
  });
});

test.each(['SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const)(
  '%s is passed on as it is, and ends nothing',
  async (name) => {
    await supervised(async ({ cli, caller }) => {
      cli.child.kill(name);
      await cli.until((stdout) => stdout.includes(`got ${name}`));
      expect(caller.ids()).toEqual(['one']);
    });
  },
);

describe('a restart', () => {
  /** Writes when it was started into a file, and ends with the next of `codes`. */
  async function recording(name: string, codes: readonly number[]): Promise<readonly [string, string]> {
    const file = join(directory, `${name}.runs`);
    const source = `
      import { appendFileSync, readFileSync } from 'node:fs';
      appendFileSync('${file}', Date.now() + '\\n');
      const runs = readFileSync('${file}', 'utf8').trim().split('\\n').length;
      process.exit(${JSON.stringify(codes)}[runs - 1] ?? 0);`;
    return [await program(`${name}.mjs`, source), file];
  }

  async function startsIn(file: string): Promise<readonly number[]> {
    return (await readFile(file, 'utf8')).trim().split('\n').map(Number);
  }

  test('on failure goes on until the command succeeds, each time after a wait', async () => {
    const [script, file] = await recording('failing', [1, 1, 0]);
    const flags = options(await freePort(), '--restart', 'on-failure');
    const { code } = await runCli([...flags, '--', process.execPath, script]);
    const starts = await startsIn(file);
    expect({ code, runs: starts.length }).toEqual({ code: 0, runs: 3 });
    const waits = starts.slice(1).map((start, i) => start - (starts[i] as number));
    for (const wait of waits) expect(wait).toBeGreaterThanOrEqual(100);
  });

  test('does not happen unless it was asked for', async () => {
    const [script, file] = await recording('once', [1, 0]);
    expect((await runCli([...options(await freePort()), '--', process.execPath, script])).code).toBe(1);
    expect(await startsIn(file)).toHaveLength(1);
  });

  test('always follows a success too, until a stop', async () => {
    const file = join(directory, 'succeeded-once');
    const source = `
      const { existsSync, writeFileSync } = require('node:fs');
      if (!existsSync('${file}')) { writeFileSync('${file}', ''); process.exit(0); }
      setInterval(() => {}, 1000);
      console.log('again');`;
    const cli = startCli([...options(await freePort(), '--restart', 'always'), ...inline(source)]);
    await cli.until((stdout) => stdout.includes('again'));
    cli.child.kill('SIGTERM');
    expect((await cli.ended).code).toBe(143);
  });

  test('takes the service from the list and returns it when it is well', async () => {
    await supervised(
      async ({ cli, port, caller }) => {
        await fetch(`http://127.0.0.1:${port}/die`);
        const registered = () => cli.stderr().split('"registered"').length - 1;
        await eventually('listed again', () => registered() === 2);
        expect(logLine(cli.stderr(), 'deregistered')).toBeDefined();
        await caller.sees('one');
        expect(logLine(cli.stderr(), 'the command exited with 3')).toMatchObject({ again: true });
        expect(cli.stdout().match(/listens on/g)).toHaveLength(2);
      },
      { flags: ['--restart', 'on-failure', '--fall', '1000'] },
    );
  });
});

describe('a reload beside a command', () => {
  let file: string;
  let port: number;
  let cli: RunningCli;
  let caller: Caller;

  const configure = (more: object = {}): Promise<void> => {
    const orders = { name: `supervised-${process.pid}-${names}`, id: 'one', port, probes: ['http:/'] };
    return writeConfig(file, registry, { rise: 1, services: [orders], ...more });
  };

  beforeEach(async () => {
    file = join(directory, `reload-${++names}.json`);
    port = await freePort();
    await configure();
    caller = await Caller.of(registry, `supervised-${process.pid}-${names}`);
    const whole = ['sidecar', '--config', file, '--restart', 'always', '--', process.execPath, service];
    cli = startCli(whole, { env: { PORT: '' } });
    await caller.sees('one');
  });

  afterEach(async () => {
    cli.child.kill('SIGTERM');
    cli.child.kill('SIGTERM');
    await cli.ended;
    await caller.close();
  });

  const reload = (): Promise<CliResult> => {
    const admin = String(logLine(cli.stderr(), 'the sidecar runs')?.admin);
    return runCli(['reload', '--admin', admin]);
  };

  const timesLogged = (message: string): number => cli.stderr().split(`"${message}"`).length - 1;

  const crash = async (): Promise<void> => {
    await fetch(`http://127.0.0.1:${port}/die`);
    await eventually('the command runs again', () => timesLogged('the command runs') === 2);
  };

  test('refuses a token that cannot be read, which the next start could not do without', async () => {
    await configure({ adminTokenFile: join(directory, 'no-token') });
    const { code, stderr } = await reload();
    expect(code).toBe(2);
    expect(stderr).toMatch(/expected a file that can be read, got ENOENT .*, at adminTokenFile/);
    await crash();
    await caller.sees('one');
  });

  test('to where the next sidecar cannot listen leaves it where it was, with everything else as reloaded', async () => {
    const other = await ToyService.start();
    const admin = `127.0.0.1:${other.port}`;
    const services = (JSON.parse(await readFile(file, 'utf8')) as { services: object[] }).services;
    await configure({ admin, services: services.map((each) => ({ ...each, weight: 7 })) });
    expect(await reload()).toMatchObject({ code: 0 });
    await crash();
    await caller.sees('one');
    expect(caller.service.pick().instance.weight).toBe(7);
    const message = 'could not start as reloaded: what takes effect at a start stays as it was';
    expect(timesLogged(message)).toBe(1);
    expect(logLine(cli.stderr(), message)?.cause).toMatch(/^cannot listen where admin says: /);
    await other.die();
  });

  test('that changes the port reaches the command with its next start', async () => {
    const next = await freePort();
    const services = (JSON.parse(await readFile(file, 'utf8')) as { services: object[] }).services;
    await configure({ services: services.map((each) => ({ ...each, port: next })) });
    expect(await reload()).toMatchObject({ code: 0 });
    await crash();
    await cli.until((stdout) => stdout.includes(`listens on ${next}\n`));
    await eventually('listed there', () => caller.service.snapshot?.instances[0]?.endpoint.port === next);
  });

  test('that changes drainTimeout holds for the stop that follows', async () => {
    await configure({ drainTimeout: '11s', drainWait: '10s' });
    expect(await reload()).toMatchObject({ code: 0 });
    cli.child.kill('SIGTERM');
    const { stderr } = await cli.ended;
    // Of 11 s the command has 10 of its own; of the default there would be more than the wait.
    expect(logLine(stderr, 'drained')).toMatchObject({ level: 'error' });
  });
});

describe('the streams of the command', () => {
  test('are ours: input, output and errors pass through, and the log stays out of the output', async () => {
    const source = 'process.stdin.pipe(process.stdout); process.stderr.write("a complaint\\n")';
    const child: ChildProcess = spawn(
      process.execPath,
      [CLI, ...options(await freePort()), ...inline(source)],
      { stdio: 'pipe' },
    );
    child.stdin?.end('one line\nand no more');
    const [stdout, stderr] = await Promise.all([
      text(child.stdout as NodeJS.ReadableStream),
      text(child.stderr as NodeJS.ReadableStream),
    ]);
    expect(stdout).toBe('one line\nand no more');
    expect(stderr).toContain('a complaint\n');
    expect(logLine(stderr, 'the sidecar runs')).toBeDefined();
  });
});

describe('the port is written once', () => {
  const printPort = inline('console.log("PORT=" + process.env.PORT)');

  test('--port is PORT for the command, whatever PORT was', async () => {
    const port = await freePort();
    const { stdout } = await runCli([...options(port), ...printPort], { env: { PORT: '1' } });
    expect(stdout).toBe(`PORT=${port}\n`);
  });

  test('PORT is the port where nothing else names one', async () => {
    const port = await freePort();
    const caller = await Caller.of(registry, `supervised-${process.pid}-${names + 1}`);
    const cli = startCli([...options(undefined), '--', process.execPath, service], {
      env: { PORT: `${port}` },
    });
    await caller.sees('one');
    expect(caller.service.pick().endpoint.port).toBe(port);
    cli.child.kill('SIGTERM');
    expect((await cli.ended).code).toBe(7);
    await caller.close();
  });

  test('a PORT that is none is said so', async () => {
    const { code, stderr } = await runCli([...options(undefined), ...printPort], { env: { PORT: 'http' } });
    expect(code).toBe(2);
    expect(stderr).toBe('pilotfish: expected a port from 1 to 65535, got "http", at PORT\n');
  });
});

describe('systemd', () => {
  /** A directory with a `systemd-notify` that writes down what it was told. */
  async function fakeNotify(
    name: string,
  ): Promise<{ readonly env: Record<string, string>; readonly file: string }> {
    const bin = await mkdtemp(join(directory, `${name}-`));
    const file = join(bin, 'told');
    await writeFile(join(bin, 'systemd-notify'), `#!/bin/sh\necho "$@" >>${file}\n`);
    await chmod(join(bin, 'systemd-notify'), 0o755);
    return { file, env: { PATH: `${bin}:${process.env.PATH}`, NOTIFY_SOCKET: '/run/systemd/notify' } };
  }

  const toldIn = async (file: string): Promise<readonly string[]> =>
    (await readFile(file, 'utf8').catch(() => '')).split('\n').filter((line) => line !== '');

  test('hears READY, signs of life and STOPPING, in this order; the command knows nothing of it', async () => {
    const { env, file } = await fakeNotify('whole');
    const source = 'console.log("socket", process.env.NOTIFY_SOCKET); setInterval(() => {}, 1000)';
    const watchdog = { WATCHDOG_USEC: '200000' };
    const cli = startCli([...options(await freePort()), ...inline(source)], { env: { ...env, ...watchdog } });
    await cli.until((stdout) => stdout !== '');
    await eventually('two signs of life', async () => {
      return (await toldIn(file)).filter((line) => line === 'WATCHDOG=1').length >= 2;
    });
    await cli.until((stdout) => stdout.includes('\n'));
    cli.child.kill('SIGTERM');
    const { stdout } = await cli.ended;
    expect(stdout).toBe('socket undefined\n');
    const told = await toldIn(file);
    expect(told[0]).toBe(`--pid=${cli.child.pid} READY=1`);
    expect(told.at(-1)).toBe('STOPPING=1');
    expect(new Set(told.slice(1, -1))).toEqual(new Set(['WATCHDOG=1']));
  });

  test('hears of a sidecar without a command too', async () => {
    const { env, file } = await fakeNotify('alone');
    const cli = startCli(options(await freePort()), { env });
    await eventually('READY', async () => (await toldIn(file)).length > 0);
    expect(cli.stdout()).toContain('"the sidecar runs"');
    cli.child.kill('SIGTERM');
    expect((await cli.ended).code).toBe(0);
    expect(await toldIn(file)).toEqual([`--pid=${cli.child.pid} READY=1`, 'STOPPING=1']);
  });

  test('hears of a reload: RELOADING with the time, and READY when it is over', async () => {
    const { env, file } = await fakeNotify('reload');
    const cli = startCli(options(await freePort()), { env });
    await eventually('READY', async () => (await toldIn(file)).length === 1);
    cli.child.kill('SIGHUP');
    await eventually('READY again', async () => (await toldIn(file)).length === 3);
    cli.child.kill('SIGTERM');
    await cli.ended;
    const ready = `--pid=${cli.child.pid} READY=1`;
    expect(await toldIn(file)).toEqual([
      ready,
      expect.stringMatching(/^RELOADING=1 MONOTONIC_USEC=\d+$/),
      ready,
      'STOPPING=1',
    ]);
  });

  test('is told nothing about a command that cannot be started, nor without NOTIFY_SOCKET', async () => {
    const failed = await fakeNotify('failed');
    await runCli([...options(await freePort()), '--', 'no-such-program'], { env: failed.env });
    expect(await toldIn(failed.file)).toEqual([]);
    const { env, file } = await fakeNotify('without');
    await runCli([...options(await freePort()), ...inline('')], { env: { ...env, NOTIFY_SOCKET: '' } });
    expect(await toldIn(file)).toEqual([]);
  });
});

describe.runIf(canMakePidNamespace())('as process 1 of a pid namespace (edge case 27)', () => {
  const asInit = (args: readonly string[]): ChildProcess =>
    spawn('unshare', [...PID_NAMESPACE, process.execPath, CLI, ...args], { stdio: 'pipe' });

  /** Prints who its parent is and which processes are zombies. */
  const REPORT = `
    const { readdirSync, readFileSync } = require('node:fs');
    const zombies = () => {
    const states = readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name)).map((pid) => {
      try { return readFileSync('/proc/' + pid + '/stat', 'utf8'); } catch { return ''; }
    });
    return states.filter((stat) => / Z /.test(stat)).map((stat) => /[(](.*)[)]/.exec(stat)[1]);
    };
    const report = () => console.log(JSON.stringify({ parent: process.ppid, zombies: zombies() }));`;

  test('ends in order at SIGTERM, with the code of its command', async () => {
    const child = asInit([...options(await freePort()), '--', process.execPath, service]);
    const output = text(child.stdout as NodeJS.ReadableStream);
    const ended = new Promise((resolve) => child.once('exit', resolve));
    await new Promise((resolve) =>
      child.stderr?.on('data', (data) => String(data).includes('registered') && resolve(0)),
    );
    const [init] = (await readFile(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8'))
      .trim()
      .split(' ');
    process.kill(Number(init), 'SIGTERM');
    expect(await ended).toBe(7);
    expect(await output).toContain('SIGTERM at');
  });

  test('leaves no zombie of its own command when that is restarted', async () => {
    const file = join(directory, 'first-run');
    const source = `
      const { existsSync, writeFileSync } = require('node:fs');
      if (!existsSync('${file}')) { writeFileSync('${file}', ''); process.exit(1); }
      ${REPORT}
      report();`;
    const child = asInit([...options(await freePort(), '--restart', 'on-failure'), ...inline(source)]);
    expect(JSON.parse(await text(child.stdout as NodeJS.ReadableStream))).toEqual({ parent: 1, zombies: [] });
  });

  test("cannot reap what its command's children leave behind: that takes an init", async () => {
    const source = `
      const { execSync } = require('node:child_process');
      ${REPORT}
      execSync('sleep 0.2 >/dev/null 2>&1 &');
      const look = setInterval(() => {
        if (zombies().length === 0) return;
        clearInterval(look);
        report();
      }, 50);`;
    const args = [...options(await freePort()), ...inline(source)];
    const bare = await text(asInit(args).stdout as NodeJS.ReadableStream);
    expect(JSON.parse(bare)).toEqual({ parent: 1, zombies: ['sleep'] });
  });
});
