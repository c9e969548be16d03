/**
 * What pilotfish is for, from end to end, on each Node that is supported: a sidecar lists a service, people and callers
 * find it, and SIGTERM takes it off the list.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, ToyService } from '../end-to-end/world.js';
import { type RunningCli, runCli, startCli } from '../helpers/cli.js';
import { nodeBinary } from './find.js';
import { NODE_LINES } from './lines.js';
import { GETTING_LIMIT_MS } from './on-each-node.js';

/** Soon listed, and not soon taken off by a machine that is busy. */
const CHECKS = ['--interval', '200ms', '--timeout', '190ms', '--rise', '2', '--fall', '100'];

describe.each(NODE_LINES)('on Node $major', (line) => {
  let node: string;
  let folder: string;
  let registry: string;
  let service: ToyService;
  let sidecar: RunningCli;

  beforeAll(async () => {
    node = await nodeBinary(line);
    folder = await mkdtemp(join(tmpdir(), 'pilotfish-node-'));
    registry = `local:${folder}`;
    service = await ToyService.start();
    const what = [
      '--service',
      'orders',
      '--id',
      'one',
      '--port',
      `${service.port}`,
      '--probe',
      'http:/health',
    ];
    const where = ['--registry', registry, '--address', '127.0.0.1', '--admin', '127.0.0.1:0'];
    sidecar = startCli(['sidecar', ...what, ...where, ...CHECKS, '--drain-wait', '0s'], { node });
    await eventually('it is listed', async () => (await ids()).includes('one'));
  }, GETTING_LIMIT_MS);

  afterAll(async () => {
    sidecar?.child.kill('SIGKILL');
    await service?.die();
    await rm(folder, { recursive: true, force: true });
  });

  async function cli(...args: readonly string[]): Promise<string> {
    const { stdout } = await runCli([...args, '--registry', registry], { node });
    return stdout.trim();
  }

  async function ids(): Promise<readonly string[]> {
    const { instances } = JSON.parse(await cli('ls', 'orders', '--json'));
    return instances.map(({ id }: { readonly id: string }) => id);
  }

  test('ls and resolve find the service', async () => {
    expect(await cli('ls')).toContain('orders');
    expect(await cli('resolve', 'orders')).toBe(`127.0.0.1:${service.port}`);
  });

  test.each(['mjs', 'cjs'])('a caller in a .%s file reaches it', async (kind) => {
    const caller = fileURLToPath(new URL(`./caller.${kind}`, import.meta.url));
    const { stdout } = await promisify(execFile)(node, [caller, registry]);
    expect(stdout).toBe(`127.0.0.1:${service.port} answered 200\n`);
  });

  test('SIGTERM drains it: off the list, and exit code 0', async () => {
    sidecar.child.kill('SIGTERM');
    const { code, stderr } = await sidecar.ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(await ids()).toEqual([]);
  });
});
