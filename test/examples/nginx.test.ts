/** examples/nginx: the real nginx with a sidecar beside it, from start to end. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROOT } from '../architecture/sources.js';
import { Caller, eventually } from '../end-to-end/world.js';
import { CLI } from '../helpers/cli.js';
import { freePorts } from '../servers/ports.js';
import { provideNginx } from './nginx.js';

let folder: string;
let port: number;
let child: ChildProcess | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pilotfish-nginx-'));
  const bin = join(folder, 'bin');
  await mkdir(bin);
  await cp(join(ROOT, 'examples', 'nginx'), join(folder, 'nginx'), { recursive: true });
  [port] = await freePorts(0);
  for (const file of ['nginx.conf', 'run.sh']) await replacePort(join(folder, 'nginx', file));
  await provideNginx(bin);
  await writeFile(join(bin, 'pilotfish'), `#!/bin/sh\nexec '${process.execPath}' '${CLI}' "$@"\n`);
  await chmod(join(bin, 'pilotfish'), 0o755);
}, 300_000);

afterAll(async () => {
  if (child?.kill('SIGTERM')) await once(child, 'exit');
  await rm(folder, { recursive: true });
});

/** 8080 may be taken on this machine. */
async function replacePort(file: string): Promise<void> {
  const text = await readFile(file, 'utf8');
  expect(text).toContain('8080');
  await writeFile(file, text.replaceAll('8080', `${port}`));
}

test('nginx is listed while it runs, and has left the list before it stops', async () => {
  const registry = `local:${join(folder, 'registry')}`;
  const quick = ['--interval', '100ms', '--timeout', '90ms', '--fall', '30'];
  const args = ['--registry', registry, '--admin', '127.0.0.1:0', '--id', 'web-1', ...quick];
  const { PATH, HOME } = process.env;
  child = spawn(join(folder, 'nginx', 'run.sh'), args, {
    env: { PATH: `${join(folder, 'bin')}:${PATH}`, HOME, TMPDIR: folder },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let complaints = '';
  child.stderr?.setEncoding('utf8').on('data', (text) => {
    complaints += text;
  });
  const ended = once(child, 'exit');
  const caller = await Caller.of(registry, 'web');
  await Promise.race([
    caller.sees('web-1'),
    ended.then(() => Promise.reject(new Error(`run.sh ended early: ${complaints}`))),
  ]);

  const { host, port: found } = caller.service.pick().endpoint;
  const reply = await fetch(`http://${host}:${found}/`);
  expect(await reply.text()).toBe('hello from nginx\n');

  child.kill('SIGTERM');
  await caller.sees();
  const [code] = await ended;
  expect(code).toBe(0);
  expect(complaints).toBe('');
  await eventually('nginx is gone', () =>
    fetch(`http://${host}:${found}/`).then(
      () => false,
      () => true,
    ),
  );
  await caller.close();
});
