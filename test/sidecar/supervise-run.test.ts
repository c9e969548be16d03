/** The sidecar as a process, where the moment of a signal counts. */
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type Host, runAlone } from '../../sidecar/supervise/run.js';
import { load } from '../helpers/config.js';
import { freePort, until } from './support.js';

test('a reload that is asked for while the sidecar starts is made up for', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'pilotfish-run-'));
  const log = await open(join(directory, 'log'), 'a');
  const port = await freePort();
  const config = (...names: readonly string[]) =>
    load({
      file: {
        registry: `local:${directory}`,
        admin: '127.0.0.1:0',
        services: names.map((name) => ({ name, port })),
      },
    });
  const stop = new AbortController();
  const host: Host = {
    pid: process.pid,
    env: {},
    stop: stop.signal,
    stopSignal: () => 'SIGTERM',
    logFd: log.fd,
    load: () => config('orders', 'added'),
    onReload: (reload) => {
      reload();
      return () => {};
    },
    onPassedSignal: () => () => {},
    onExit: () => () => {},
  };
  const ended = runAlone(await config('orders'), host);
  let lines = '';
  await until(() => {
    void readFile(join(directory, 'log'), 'utf8').then((text) => {
      lines = text;
    });
    return lines.includes('reloaded the configuration');
  }, 'the reload');
  expect(lines).toMatch(/"added":\["added\//);
  stop.abort();
  await ended;
  await log.close();
  await rm(directory, { recursive: true });
});
