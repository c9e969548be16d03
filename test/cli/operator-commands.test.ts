/** The commands that give an order to a sidecar: what they send, what they show, and how they end. */
import { userInfo } from 'node:os';
import { describe, expect, test } from 'vitest';
import type { DrainPhase } from '../../sidecar/drain.js';
import { type Answer, type Asked, fakeSidecar } from './fake-sidecar.js';
import { type Ran, run, type Terminal } from './terminal.js';

const USER = userInfo().username;
const UNTIL = Date.UTC(2030, 0, 1, 12);
const MAINTENANCE = { reason: 'new disk', who: 'ann', since: UNTIL - 1000, until: UNTIL };

interface Exchange extends Ran {
  readonly asked: readonly Asked[];
}

/** One command against a sidecar that gives these answers one after another, the last one again and again. */
async function exchange(
  args: readonly string[],
  answers: readonly Answer[],
  terminal: Terminal = {},
): Promise<Exchange> {
  const waiting = [...answers];
  await using sidecar = await fakeSidecar(() => (waiting.length > 1 ? waiting.shift() : waiting[0]));
  const ran = await run([...args, '--admin', sidecar.address], terminal);
  return { ...ran, asked: sidecar.asked };
}

describe('an order is sent as it is said', () => {
  const given = { reason: '', who: USER, for: '4h' };
  test.each<[string, string, object]>([
    ['maintenance orders on', '/v1/maintenance', { service: 'orders', on: true, ...given }],
    [
      'maintenance orders on --id o1 --reason disk --who ann --for 30m',
      '/v1/maintenance',
      { service: 'orders', id: 'o1', on: true, reason: 'disk', who: 'ann', for: '30m' },
    ],
    ['maintenance orders off', '/v1/maintenance', { service: 'orders', on: false }],
    ['force orders up', '/v1/force', { service: 'orders', to: 'up', ...given }],
    ['force orders down --for 1h', '/v1/force', { service: 'orders', to: 'down', ...given, for: '1h' }],
    ['force orders auto --id o1', '/v1/force', { service: 'orders', id: 'o1', to: 'auto' }],
    ['weight orders 0', '/v1/weight', { service: 'orders', weight: 0 }],
    ['weight orders 2.5 --id o1', '/v1/weight', { service: 'orders', id: 'o1', weight: 2.5 }],
    ['weight orders default', '/v1/weight', { service: 'orders', weight: null }],
  ])('%s', async (line, path, body) => {
    const { code, asked } = await exchange(line.split(' '), [[200, { services: [] }]]);
    expect(code).toBe(0);
    expect(asked).toEqual([{ method: 'POST', path, authorization: undefined, body }]);
  });

  test('by the person behind sudo', async () => {
    const env = { SUDO_USER: 'ann' };
    const { asked } = await exchange(['force', 'orders', 'up'], [[200, { services: [] }]], { env });
    expect(asked[0]?.body).toMatchObject({ who: 'ann' });
  });
});

describe('what is in force then is shown', () => {
  const services = [
    { service: 'orders', id: 'o1', operator: { maintenance: MAINTENANCE, weight: 3 } },
    { service: 'orders', id: 'o2', operator: { forced: { ...MAINTENANCE, reason: '', to: 'up' } } },
    { service: 'orders', id: 'o3', operator: {} },
  ];

  test('one line for each instance', async () => {
    const { stdout } = await exchange(['weight', 'orders', '3'], [[200, { services }]]);
    expect(stdout).toBe(
      `orders o1: maintenance: new disk, by ann, until 2030-01-01T12:00:00.000Z; weight 3
orders o2: forced up: no reason given, by ann, until 2030-01-01T12:00:00.000Z
orders o3: no orders
`,
    );
  });

  test('or as JSON', async () => {
    const { stdout } = await exchange(['weight', 'orders', '3', '--json'], [[200, { services }]]);
    expect(JSON.parse(stdout)).toEqual({ services });
  });
});

describe('an order that cannot be meant is not sent', () => {
  test.each<[string, string]>([
    ['maintenance orders', 'expected a on|off, got nothing, at on|off'],
    ['maintenance orders maybe', 'expected one of: on, off, got "maybe", at on|off'],
    ['maintenance orders on --for 5', 'expected a duration such as "30m" or "4h", got "5", at --for'],
    ['maintenance orders on --for 0s', 'expected a duration such as "30m" or "4h", got "0s", at --for'],
    ['force orders sideways', 'expected one of: up, down, auto, got "sideways", at up|down|auto'],
    ['weight orders -- -1', 'expected a number from 0 to 65535, or default, got "-1", at N|default'],
    ['weight orders 65536', 'expected a number from 0 to 65535, or default, got "65536", at N|default'],
  ])('%s', async (line, problem) => {
    const [command = '', ...rest] = line.split(' ');
    const at = rest.indexOf('--');
    const own = at === -1 ? rest : rest.slice(0, at);
    const { code, stderr } = await run([
      command,
      ...own,
      '--admin',
      '127.0.0.1:1',
      ...rest.slice(own.length),
    ]);
    expect({ code, stderr }).toEqual({ code: 2, stderr: `pilotfish: ${problem}\n` });
  });
});

describe('drain', () => {
  const state = (phase: DrainPhase, fields: object = {}): object => ({
    ...{ service: 'orders', id: 'o1', phase, complete: phase === 'drained' },
    ...{ cause: 'operator', inFlight: null },
    ...{ unconfirmed: [], elapsedMs: 1200 },
    ...fields,
  });
  const one = (phase: DrainPhase, fields: object = {}) => ({ services: [state(phase, fields)] });

  test('begins and says so', async () => {
    const { code, stdout, asked } = await exchange(['drain', 'orders'], [[202, one('marking')]]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'orders o1: marking for 1.2s\n' });
    expect(asked).toMatchObject([{ method: 'POST', path: '/v1/drain', body: { service: 'orders' } }]);
  });

  test('with nothing named is for all', async () => {
    const { asked } = await exchange(['drain'], [[202, { services: [] }]]);
    expect(asked[0]?.body).toEqual({});
  });

  test('waits until all is finished', async () => {
    const { code, stdout, stderr, asked } = await exchange(
      ['drain', 'orders', '--id', 'o1', '--wait'],
      [
        [202, one('marking')],
        [200, one('propagating', { inFlight: 3 })],
        [
          200,
          { services: [state('drained', { id: 'o2' }), state('drained', { elapsedMs: 3400, inFlight: 0 })] },
        ],
      ],
    );
    expect({ code, stdout, stderr }).toEqual({
      code: 0,
      stdout: 'orders o1: drained in 3.4s, 0 in flight\n',
      stderr: '',
    });
    expect(asked.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'POST /v1/drain',
      'GET /v1/drain',
      'GET /v1/drain',
    ]);
  });

  test('tells a person at a terminal of each phase', async () => {
    const phases = ['propagating', 'propagating', 'finishing', 'drained'] as const;
    const { stderr } = await exchange(
      ['drain', 'orders', '--wait'],
      [[202, one('marking')], ...phases.map((phase): Answer => [200, one(phase)])],
      { isTTY: true },
    );
    expect(stderr.match(/marking|propagating|finishing|drained/g)).toEqual([
      'marking',
      'propagating',
      'finishing',
    ]);
  });

  test('ends with 1 when its time is over, and says where it stands', async () => {
    const { code, stdout, stderr } = await exchange(
      ['drain', 'orders', '--wait', '--timeout', '1s'],
      [[202, one('finishing', { inFlight: 7 })]],
    );
    expect({ code, stdout }).toEqual({ code: 1, stdout: 'orders o1: finishing for 1.2s, 7 in flight\n' });
    expect(stderr).toMatch(/^pilotfish: asking the sidecar at \S+ took longer than 1000 ms\n$/);
  });

  test('ends with 1 when a registry has not confirmed it', async () => {
    const done = one('drained', { unconfirmed: ['consul://127.0.0.1:8500'] });
    const { code, stderr } = await exchange(['drain', 'orders', '--wait'], [[202, done]]);
    expect(code).toBe(1);
    expect(stderr).toBe('orders o1: not confirmed by consul://127.0.0.1:8500\n');
  });

  test.each([
    [{ inFlight: 3 }, ', with 3 in flight'],
    [{}, ''],
  ])('ends with 1 when the sidecar ended it at its cap, and says so: %j', async (fields, work) => {
    const capped = one('drained', { complete: false, ...fields });
    const { code, stderr } = await exchange(['drain', 'orders', '--wait'], [[202, capped]]);
    expect(code).toBe(1);
    expect(stderr).toBe(`orders o1: its time was over before everything had its end${work}\n`);
  });

  test('of a sidecar that does not say yet whether it is complete ends as before', async () => {
    const done = one('drained', { complete: undefined });
    expect(await exchange(['drain', 'orders', '--wait'], [[202, done]])).toMatchObject({
      code: 0,
      stderr: '',
    });
  });

  test('ends with 1 when somebody takes it back meanwhile', async () => {
    const answers: Answer[] = [
      [202, one('marking')],
      [200, { services: [] }],
    ];
    const { code, stderr } = await exchange(['drain', 'orders', '--wait'], answers);
    expect({ code, stderr }).toEqual({ code: 1, stderr: 'pilotfish: orders o1 is no longer drained\n' });
  });

  test('shows nothing that a terminal could act on', async () => {
    const { stdout } = await exchange(['drain'], [[202, one('marking', { id: 'o\u001b[31m\n' })]]);
    expect(stdout).toBe('orders o\\u001b[31m\\u000a: marking for 1.2s\n');
  });
});

test('undrain says what is no longer drained', async () => {
  const { code, stdout, asked } = await exchange(['undrain', 'orders'], [[200, { services: ['orders'] }]]);
  expect({ code, stdout }).toEqual({ code: 0, stdout: 'orders: no longer drained\n' });
  expect(asked).toMatchObject([{ method: 'POST', path: '/v1/undrain', body: { service: 'orders' } }]);
});

test('reload shows the difference, and the warnings on standard error', async () => {
  const answer = { added: ['a'], removed: [], changed: ['b', 'c'], unchanged: ['d'], warnings: ['e: slow'] };
  const { code, stdout, stderr } = await exchange(['reload'], [[200, answer]]);
  expect(code).toBe(0);
  expect(stdout).toBe('added: a\nchanged: b, c\nunchanged: d\n');
  expect(stderr).toBe('pilotfish: warning: e: slow\n');
});
