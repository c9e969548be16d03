import { createServer, type RequestListener } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../runtime/clock.js';
import { VirtualClock } from '../../runtime/virtual-clock.js';
import { InFlight, inFlightIn } from '../../sidecar/in-flight.js';
import { freePort, type TestServer, track } from './support.js';

const METRICS = `# HELP busy Requests.
# TYPE busy gauge
busy{path="/a",x="} 9"} 2
busy{path="/b"} 3
busy_total 99
busyness 7
idle 0
broken NaN
`;

describe('the number in an answer', () => {
  test.each<[string, string | undefined, number | undefined]>([
    ['3', undefined, 3],
    ['{"inFlight": 4, "other": 1}', undefined, 4],
    ['0', undefined, 0],
    ['-1', undefined, undefined],
    ['"3"', undefined, undefined],
    ['null', undefined, undefined],
    ['', undefined, undefined],
    ['<html>', undefined, undefined],
    [METRICS, 'busy', 5],
    [METRICS, 'busy_total', 99],
    [METRICS, 'idle', 0],
    [METRICS, 'broken', undefined],
    [METRICS, 'missing', undefined],
  ])('%j, metric %s: %s', (text, metric, expected) => {
    expect(inFlightIn(text, metric)).toBe(expected);
  });
});

describe('requests in flight', () => {
  const { signal } = new AbortController();
  let server: TestServer | undefined;
  afterEach(() => server?.close());

  async function urlOf(listener: RequestListener): Promise<string> {
    server = await track(createServer(listener));
    return `http://127.0.0.1:${server.port}/metrics`;
  }

  test('are what the last heartbeat said, as long as that is not too old', async () => {
    const clock = new VirtualClock();
    const inFlight = new InFlight(undefined, clock);
    expect(await inFlight.read(signal, 0)).toBeUndefined();
    inFlight.report(3);
    await clock.advance(10_000);
    expect(await inFlight.read(signal, 0)).toBe(3);
    await clock.advance(1);
    expect(await inFlight.read(signal, 0)).toBeUndefined();
  });

  test('are not none because a heartbeat said so before the moment that counts; some are some', async () => {
    const clock = new VirtualClock();
    const inFlight = new InFlight(undefined, clock);
    inFlight.report(0);
    await clock.advance(1);
    const since = clock.now();
    expect(await inFlight.read(signal, since)).toBeUndefined();
    inFlight.report(0);
    expect(await inFlight.read(signal, since)).toBe(0);
    inFlight.report(3);
    await clock.advance(1);
    expect(await inFlight.read(signal, clock.now())).toBe(3);
  });

  test('are still what was said when they are to be asked for elsewhere', async () => {
    const inFlight = new InFlight(undefined, new VirtualClock());
    inFlight.report(3);
    inFlight.change({ url: `http://127.0.0.1:${await freePort()}/`, metric: undefined });
    expect(await inFlight.read(signal, 0)).toBe(3);
  });

  test('are asked for at the URL of the service', async () => {
    const url = await urlOf((_, response) => response.end('5'));
    expect(await new InFlight({ url, metric: undefined }, new VirtualClock()).read(signal, 0)).toBe(5);
  });

  test.each<[string, RequestListener]>([
    ['an error', (_, response) => response.writeHead(500).end('0')],
    ['too much', (_, response) => response.end('0'.repeat(2 * 1024 * 1024))],
    ['nothing at all', () => {}],
  ])('are unknown where it answers with %s', async (_, listener) => {
    const url = await urlOf(listener);
    expect(await new InFlight({ url, metric: undefined }, systemClock).read(signal, 0)).toBeUndefined();
  });

  test('are what the URL said last, while it does not answer and that is not too old', async () => {
    const clock = new VirtualClock();
    const answers = ['5', 'busy', '4', 'busy'];
    const url = await urlOf((_, response) => response.end(answers.shift()));
    const inFlight = new InFlight({ url, metric: undefined }, clock);
    const read: (number | undefined)[] = [];
    for (let n = 0; n < 3; n++) read.push(await inFlight.read(signal, 0));
    await clock.advance(10_001);
    read.push(await inFlight.read(signal, 0));
    expect(read).toEqual([5, 5, 4, undefined]);
  });

  test('are unknown where nobody listens', async () => {
    const url = `http://127.0.0.1:${await freePort()}/`;
    expect(await new InFlight({ url, metric: undefined }, systemClock).read(signal, 0)).toBeUndefined();
  });
});
