/** What a person reads of a status, and that nothing in it can act on the terminal. */
import { describe, expect, test } from 'vitest';
import { outputTo } from '../../cli/output.js';
import { drainText, type StatusReport, span, statusLines } from '../../cli/status-text.js';
import type { ProbeStatus } from '../../sidecar/prober.js';
import type { ServiceStatus } from '../../sidecar/service.js';

const NOW = Date.UTC(2030, 0, 1, 12);
const { paint: plain } = outputTo({ write: () => {} }, undefined);
const { paint: colours } = outputTo({ write: () => {}, isTTY: true }, undefined);

const result = (status: ProbeStatus['recent'][number]['status'], reason = 'answered', durationMs = 1.23) =>
  ({ status, reason, durationMs, at: NOW - 400 }) as const;

const tcp: ProbeStatus = {
  name: 'tcp',
  type: 'tcp',
  advisory: false,
  state: 'passing',
  successes: 2,
  failures: 0,
  overruns: 0,
  recent: [result('failing'), result('unknown'), result('warning'), result('passing', 'connected')],
};

const orders: ServiceStatus = {
  name: 'orders',
  id: 'orders-1',
  address: '10.0.0.7:8080',
  reasons: [],
  weight: 1,
  health: { state: 'passing', cause: 'probe tcp is passing: connected', probes: [tcp] },
  operator: { maintenance: undefined, forced: undefined, weight: undefined, kept: true },
  hold: undefined,
  drain: undefined,
  registrations: [
    {
      registry: 'local:/run/r',
      state: 'connected',
      desired: true,
      registered: true,
      registeredAt: NOW - 60_000,
      confirmedAgoMs: 2100,
      error: undefined,
    },
  ],
};

const report = (fields: Partial<ServiceStatus> = {}): StatusReport => ({
  registries: [
    { kind: 'local', url: 'local:/run/r', state: 'connected' },
    { kind: 'zookeeper', url: 'zookeeper://a', state: 'suspended', session: { timeoutMs: 10_000 } },
  ],
  services: [{ ...orders, ...fields }],
});

const textOf = (fields: Partial<ServiceStatus> = {}): string =>
  statusLines(report(fields), NOW, plain).join('\n');

test('a healthy service is a few lines', () => {
  expect(`${textOf()}\n`).toBe(`local:/run/r   connected
zookeeper://a  suspended  timeout 10s

orders orders-1 10.0.0.7:8080 passing
  probe tcp is passing: connected
        ✗?!✓  tcp  passing  400ms ago  1.2ms  connected
  local:/run/r  connected  registered  confirmed 2.1s ago
`);
});

test('a registry that is not connected says why, without what a terminal would obey', () => {
  const away = { kind: 'consul', url: 'consul://b', state: 'suspended', trouble: 'refused \u001b[2J' };
  const [line] = statusLines({ registries: [away], services: [] }, NOW, plain);
  expect(line).toMatch(/^consul:\/\/b {2}suspended {4}refused \S+\[2J$/);
  expect(line).not.toContain('\u001b');
});

test('a service that is not as it should be says why', () => {
  const [registration] = orders.registrations;
  const text = textOf({
    reasons: ['orders is not yet registered in local:/run/r: EACCES'],
    registrations: [
      { ...registration, registered: false, confirmedAgoMs: undefined, error: 'EACCES' } as never,
    ],
  });
  expect(text).toContain('\n  local:/run/r  connected  not registered    EACCES\n');
  expect(text).toContain('\n  not ready: orders is not yet registered in local:/run/r: EACCES');
});

test('orders and a drain are shown', () => {
  const order = { reason: 'new disk', who: 'ann', since: NOW, until: NOW + 90 * 60_000 };
  const text = textOf({
    operator: { maintenance: order, forced: { ...order, reason: '', to: 'down' }, weight: 3, kept: false },
    drain: {
      ...{ service: 'orders', id: 'orders-1', phase: 'finishing', complete: false },
      ...{ cause: 'x', inFlight: 3 },
      ...{ unconfirmed: [], elapsedMs: 1234 },
    },
  });
  expect(text).toContain(`
  maintenance: new disk, by ann, until 2030-01-01T13:30:00.000Z (1.5h left)
  forced down: no reason given, by ann, until 2030-01-01T13:30:00.000Z (1.5h left)
  weight 3
  orders could not be written down: a restart forgets them
  finishing for 1.2s, 3 in flight
`);
});

test('a probe that has not reported yet has no age', () => {
  const text = textOf({
    health: { state: 'starting', cause: undefined, probes: [{ ...tcp, recent: [], advisory: true }] },
  });
  expect(text).toMatch(/^ {14}tcp {2}passing \(advisory\) {2}no result yet$/m);
});

test('the history is the newest ten results', () => {
  const recent = [...Array(15).fill(result('failing')), ...Array(9).fill(result('passing'))];
  expect(textOf({ health: { ...orders.health, probes: [{ ...tcp, recent }] } })).toContain(
    '  ✗✓✓✓✓✓✓✓✓✓  tcp',
  );
});

test('what a protection holds is said, and for how long', () => {
  expect(textOf({ hold: { reason: 'flapping', endsInMs: 12_000 } })).toContain(
    '  held back for 12s more: flapping\n',
  );
  expect(textOf({ hold: { reason: 'mass-failure', endsInMs: 500 } })).toContain(
    '  held in place for 500ms more',
  );
});

test('on a terminal the marks have colours', () => {
  expect(statusLines(report(), NOW, colours).join('\n')).toContain('\u001b[31m✗\u001b[0m');
});

test('nothing that came over the network can act on a terminal', () => {
  const evil = '\u001b]0;x\u0007\u009b31m\u202e\n';
  const text = statusLines(
    {
      registries: [{ kind: evil, url: evil, state: evil, session: { timeoutMs: evil as never } }],
      services: [
        {
          ...{ name: evil, id: evil, address: evil, reasons: [evil], weight: 1 },
          health: {
            state: evil as never,
            cause: evil,
            probes: [{ ...tcp, name: evil, recent: [result(evil as never, evil)] }],
          },
          operator: {
            maintenance: { reason: evil, who: evil, since: 0, until: NOW },
            forced: undefined,
            weight: evil as never,
            kept: true,
          },
          hold: { reason: evil as never, endsInMs: 1 },
          drain: {
            service: evil,
            id: evil,
            phase: evil as never,
            complete: false,
            cause: evil,
            inFlight: evil as never,
            unconfirmed: [evil],
            elapsedMs: 1,
          },
          registrations: [{ ...orders.registrations[0], registry: evil, state: evil, error: evil } as never],
        },
      ],
    },
    NOW,
    plain,
  ).join('');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  expect(text).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/);
});

describe('times are short', () => {
  test.each([
    [0.0004, '0µs'],
    [0.84, '840µs'],
    [1.25, '1.3ms'],
    [12.5, '13ms'],
    [4000, '4s'],
    [59_400, '59s'],
    [720_000, '12m'],
    [5_400_000, '1.5h'],
    [-5, '0µs'],
  ])('%d ms is %s', (ms, text) => {
    expect(span(ms)).toBe(text);
  });
});

test('a drain that is over says how long it took', () => {
  expect(drainText({ phase: 'drained', inFlight: null, elapsedMs: 900 })).toBe('drained in 900ms');
});
