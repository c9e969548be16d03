/** A sidecar whose log nobody reads: a pipe and a socket that are full from the beginning. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { CLI } from '../helpers/cli.js';
import { Caller, eventually, ToyService } from './world.js';

const directory = mkdtempSync(join(tmpdir(), 'pilotfish-log-reader-'));
const registry = `local:${join(directory, 'registry')}?ttl=4s&poll=100ms`;
const socketPath = join(directory, 'log.sock');
const pipePath = join(directory, 'log.pipe');
const closers: (() => unknown)[] = [];
const HTTP = ['--probe', 'http:/health'];
let names = 0;

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Where a log goes that is full. */
interface FullLog {
  readonly fd: number;
  /** Reads all that is there, now and until the test ends. */
  readonly read: () => string;
}

async function fullPipe(): Promise<FullLog> {
  execFileSync('mkfifo', [pipePath]);
  const reader = openSync(pipePath, constants.O_RDWR | constants.O_NONBLOCK);
  const fd = openSync(pipePath, constants.O_WRONLY);
  closers.push(
    () => closeSync(fd),
    () => closeSync(reader),
    () => rmSync(pipePath),
  );
  untilFull(() => writeSync(reader, Buffer.alloc(4096, '-')));
  let text = '';
  return {
    fd,
    read: () => {
      const chunk = Buffer.alloc(65_536);
      untilFull(() => {
        text += chunk.toString('utf8', 0, readSync(reader, chunk));
      });
      return text;
    },
  };
}

async function fullSocket(): Promise<FullLog> {
  let text = '';
  const server = createServer({ pauseOnConnect: true }).listen(socketPath);
  const [accepted, client] = await Promise.all([
    once(server, 'connection').then(([socket]) => socket),
    once(server, 'listening').then(() => connect(socketPath)),
  ]);
  closers.push(
    () => client.destroy(),
    () => accepted.destroy(),
    () => server.close(),
  );
  client.on('error', () => {});
  const { fd } = (client as unknown as { readonly _handle: { readonly fd: number } })._handle;
  untilFull(() => writeSync(fd, Buffer.alloc(4096, '-')));
  accepted.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  accepted.pause();
  return {
    fd,
    read: () => {
      accepted.resume();
      return text;
    },
  };
}

/** Repeats what is not to wait until it would. */
function untilFull(step: () => void): void {
  try {
    for (;;) step();
  } catch (error) {
    expect(error).toMatchObject({ code: 'EAGAIN' });
  }
}

function start(args: readonly string[], stdio: readonly ('ignore' | 'pipe' | number)[]): ChildProcess {
  const quick = ['--interval', '100ms', '--timeout', '500ms', '--fall', '2', '--drain-wait', '0s'];
  const place = ['--registry', registry, '--admin', '127.0.0.1:0', '--address', '127.0.0.1'];
  const child = spawn(process.execPath, [CLI, 'sidecar', ...place, ...quick, ...args], { stdio: [...stdio] });
  closers.push(() => child.kill('SIGKILL'));
  return child;
}

describe.each([
  ['a full pipe', fullPipe],
  ['a full socket', fullSocket],
])('a sidecar whose log is %s', (_kind, fullLog) => {
  test('checks, registers and deregisters as ever, and ends in order', async () => {
    const [log, service] = [await fullLog(), await ToyService.start()];
    const name = `orders-${++names}`;
    const caller = await Caller.of(registry, name);
    closers.push(
      () => caller.close(),
      () => service.die(),
    );
    const self = ['--service', name, '--id', 'one', '--port', `${service.port}`, ...HTTP];
    const sidecar = start(self, ['ignore', log.fd, 'pipe']);
    const ended = once(sidecar, 'exit');
    await caller.sees('one');
    service.mood = 'unwell';
    await caller.sees();
    service.mood = 'well';
    await caller.sees('one');
    sidecar.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
    await caller.sees();
  });

  test('has said everything once it is read', async () => {
    const [log, service] = [await fullLog(), await ToyService.start()];
    const name = `orders-${++names}`;
    const caller = await Caller.of(registry, name);
    closers.push(
      () => caller.close(),
      () => service.die(),
    );
    start(['--service', name, '--id', 'two', '--port', `${service.port}`], ['ignore', log.fd, 'pipe']);
    await caller.sees('two');
    await eventually('the log is there', () => log.read().includes('"registered"'));
    const lines = log.read().replace(/^-+/, '').trimEnd().split('\n');
    const messages = lines.map((line) => JSON.parse(line).message);
    expect(messages.indexOf('the sidecar runs')).toBeLessThan(messages.indexOf('registered'));
  });
});

test('the standard error that a command shares with the log waits for its reader as ever', async () => {
  const log = await fullPipe();
  const before = flagsOf(log.fd, 'self');
  const command = ['--', '/bin/sh', '-c', 'echo $$; exec sleep 60'];
  const sidecar = start(['--service', 'orders', '--port', '9', ...command], ['ignore', 'pipe', log.fd]);
  const [pid] = await once(sidecar.stdout as NonNullable<ChildProcess['stdout']>, 'data');
  expect(flagsOf(2, String(pid).trim())).toBe(before);
  const ended = once(sidecar, 'exit');
  sidecar.kill('SIGTERM');
  expect(await ended).toEqual([143, null]);
});

/** Without the flag of a descriptor that ends with the program, which is no flag of the pipe. */
function flagsOf(fd: number, process: string): number {
  const CLOSE_ON_EXEC = 0o2000000;
  const [, flags = ''] = /flags:\s+(\d+)/.exec(readFileSync(`/proc/${process}/fdinfo/${fd}`, 'utf8')) ?? [];
  return Number.parseInt(flags, 8) & ~CLOSE_ON_EXEC;
}
