import { expect, test } from 'vitest';
import { printable } from '../../runtime/printable.js';
import { VirtualClock } from '../../runtime/virtual-clock.js';
import { createLogger, type LogOptions } from '../../sidecar/log.js';
import { httpConfig } from './support.js';

function logging(options: Partial<LogOptions> = {}): {
  log: ReturnType<typeof createLogger>;
  lines: string[];
} {
  const lines: string[] = [];
  const clock = new VirtualClock(Date.UTC(2030, 0, 2, 3, 4, 5, 678));
  const log = createLogger({ clock, stream: { write: (line) => void lines.push(line) }, ...options });
  return { log, lines };
}

test('an event is one line of JSON with a level in words, ISO time and a message', () => {
  const { log, lines } = logging();
  log.warn({ service: 'orders', from: 'passing', to: 'failing' }, 'health changed');
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0] as string)).toEqual({
    level: 'warn',
    time: '2030-01-02T03:04:05.678Z',
    service: 'orders',
    from: 'passing',
    to: 'failing',
    message: 'health changed',
  });
});

test.each([
  ['debug', 4],
  ['info', 3],
  ['warn', 2],
  ['error', 1],
] as const)('the level %s lets %i of four lines through', (level, count) => {
  const { log, lines } = logging({ level });
  log.debug({}, 'a');
  log.info({}, 'b');
  log.warn({}, 'c');
  log.error({}, 'd');
  expect(lines).toHaveLength(count);
});

test('text from outside stays on one line and cannot colour a terminal', () => {
  const { log, lines } = logging();
  log.info({ cause: printable('\u001b[31mred\r\n{"level":"error"}\u2028\u202e') }, 'said something');
  expect(lines[0]).toMatch(/^[\x20-\x7e]+\n$/);
});

test.each<[string, object]>([
  ['a probe', httpConfig(80, { headers: { authorization: 'canary' } })],
  ['a named probe', { probe: httpConfig(80, { headers: { authorization: 'canary' } }) }],
  ['a service', { probes: [httpConfig(80, { headers: { authorization: 'canary' } })] }],
  ['a named service', { service: { probes: [httpConfig(80, { headers: { authorization: 'canary' } })] } }],
  ['a configuration', { services: [{ probes: [httpConfig(80, { headers: { authorization: 'canary' } })] }] }],
  [
    'a named configuration',
    { config: { services: [{ probes: [httpConfig(80, { headers: { authorization: 'canary' } })] }] } },
  ],
])('the headers of %s are never logged', (_name, fields) => {
  const { log, lines } = logging();
  log.info(fields, 'starting');
  expect(lines[0]).not.toContain('canary');
  expect(lines[0]).toContain('"headers":"[redacted]"');
});
