/** How every command finds its sidecar, what it shows it, and what it says of an answer that is no yes. */

import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Answer, fakeSidecar } from './fake-sidecar.js';
import { run } from './terminal.js';

const SECRET = '0123456789abcdef-admin';
const RELOADED: Answer = [200, { added: [], removed: [], changed: [], unchanged: ['a'], warnings: [] }];

let directory: string;
let tokenFile: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pilotfish-admin-'));
  tokenFile = join(directory, 'token');
  await writeFile(tokenFile, `${SECRET}\n`, { mode: 0o600 });
});

afterAll(() => rm(directory, { recursive: true }));

describe('the sidecar is found', () => {
  test.each([
    ['host:port', (address: string) => ['--admin', address], {}],
    ['a URL', (address: string) => ['--admin', `http://${address}/`], {}],
    ['the environment', () => [], (address: string) => ({ PILOTFISH_ADMIN: address })],
  ])('by %s', async (_, args, env) => {
    await using sidecar = await fakeSidecar(() => RELOADED);
    const surroundings = { env: typeof env === 'function' ? env(sidecar.address) : env };
    const { code, stdout } = await run(['reload', ...args(sidecar.address)], surroundings);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'unchanged: a\n' });
    expect(sidecar.asked).toEqual([
      { method: 'POST', path: '/v1/reload', authorization: undefined, body: {} },
    ]);
  });

  test('by a unix socket', async () => {
    const path = join(directory, 'admin.sock');
    const server = createServer((_, response) => response.end(JSON.stringify(RELOADED[1]))).listen(path);
    await once(server, 'listening');
    expect(await run(['reload', '--admin', `unix:${path}`])).toMatchObject({ code: 0 });
    server.close();
  });

  test.each(['ftp://x', '127.0.0.1', '127.0.0.1:0', 'unix:relative', 'http://a:1/path'])(
    'not by %s',
    async (admin) => {
      const { code, stderr } = await run(['reload', '--admin', admin]);
      expect(code).toBe(2);
      expect(stderr).toBe(
        `pilotfish: expected host:port, its URL or unix:/path, got "${admin}", at --admin\n`,
      );
    },
  );
});

describe('the token', () => {
  test.each([
    ['a flag', () => ['--admin-token-file', tokenFile], () => ({})],
    ['the environment', () => [], () => ({ PILOTFISH_ADMIN_TOKEN_FILE: tokenFile })],
  ])('comes from the file that %s names', async (_, args, env) => {
    await using sidecar = await fakeSidecar(() => RELOADED);
    await run(['reload', '--admin', sidecar.address, ...args()], { env: env() });
    expect(sidecar.asked[0]?.authorization).toBe(`Bearer ${SECRET}`);
  });

  test('is refused when others can read it, and nothing is sent', async () => {
    await using sidecar = await fakeSidecar(() => RELOADED);
    const open = join(directory, 'open');
    await writeFile(open, SECRET);
    await chmod(open, 0o640);
    const { code, stderr } = await run(['reload', '--admin', sidecar.address, '--admin-token-file', open]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/only its owner can read .+ got mode 640 .+ at --admin-token-file\n$/);
    expect(stderr).not.toContain(SECRET);
    expect(sidecar.asked).toEqual([]);
  });
});

describe('an answer that is no yes', () => {
  test.each<[Answer, number, RegExp]>([
    [
      [400, { errors: ['expected a, got b, at c', 'expected d, got e, at f'] }],
      2,
      /^pilotfish: expected a.+\npilotfish: expected d/,
    ],
    [
      [422, { errors: ['expected a, got b, at services'] }],
      2,
      /^pilotfish: expected a, got b, at services\n$/,
    ],
    [
      [401, { error: 'expected the right secret' }],
      1,
      /answered 401: expected the right secret \(--admin-token-file/,
    ],
    [[404, { error: 'expected a service' }], 1, /answered 404: expected a service\n$/],
    [[409, { error: 'expected no drain' }], 1, /answered 409: expected no drain\n$/],
    [[500, 'Oops\u001b[31m\u202e'], 1, /answered 500: Oops\\u001b\[31m\\u202e\n$/],
    [[200, '<html>'], 1, /expected JSON from a sidecar, got something else at http/],
  ])('%j', async (answer, expected, line) => {
    await using sidecar = await fakeSidecar(() => answer);
    const { code, stdout, stderr } = await run(['reload', '--admin', sidecar.address]);
    expect({ code, stdout }).toEqual({ code: expected, stdout: '' });
    expect(stderr).toMatch(line);
  });

  test('nobody there', async () => {
    const { code, stderr } = await run(['reload', '--admin', '127.0.0.1:1']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^pilotfish: the sidecar at http:\/\/127\.0\.0\.1:1 does not answer: .+\n$/);
  });

  test('no answer in time', async () => {
    await using sidecar = await fakeSidecar(() => undefined);
    const { code, stderr } = await run(['reload', '--admin', sidecar.address, '--timeout', '100ms']);
    expect(code).toBe(1);
    expect(stderr).toBe(
      `pilotfish: asking the sidecar at http://${sidecar.address} took longer than 100 ms\n`,
    );
  });
});
