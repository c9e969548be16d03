/** What is shared out is requests, not connections; what is measured is the time to the first byte, not to the last. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { eventually } from '../../end-to-end/world.js';
import { tally } from '../picking.js';
import { HttpWorld } from './world.js';

let world: HttpWorld;

beforeEach(async () => {
  world = await HttpWorld.start();
});

afterEach(() => world.close());

it('each endpoint has its share of the requests, whatever becomes of its connections (T32)', async () => {
  const connections = new Map<string, Set<unknown>>();
  const serve = (id: string, keepsAlive: boolean): Promise<unknown> =>
    world.serve(id, (req, res) => {
      connections.set(id, (connections.get(id) ?? new Set()).add(req.socket));
      res.writeHead(200, keepsAlive ? {} : { connection: 'close' }).end(id);
    });
  await serve('kept', true);
  await serve('kept-too', true);
  await serve('closed', false);
  const answers: string[] = [];
  const dispatcher = world.discovery.dispatcher();
  const caller = async (): Promise<void> => {
    while (answers.length < 90) {
      const at = answers.push('asked') - 1;
      answers[at] = await (await fetch('http://orders/', { dispatcher })).text();
    }
  };
  await Promise.all(Array.from({ length: 6 }, caller));
  expect(tally(answers)).toEqual({ kept: 30, 'kept-too': 30, closed: 30 });
  expect(connections.get('closed')?.size).toBe(30);
  expect(connections.get('kept')?.size).toBeLessThanOrEqual(6);
});

it('an answer is as slow as its first byte, however long the rest of it takes (T10)', async () => {
  let goOn = () => {};
  await world.serve('a', (_req, res) => {
    res.write('first');
    goOn = () => res.end('last');
  });
  const askedAt = performance.now();
  const response = await world.discovery.fetch('http://orders/');
  const answeredAt = performance.now();
  const headMs = answeredAt - askedAt;
  await eventually('the rest takes longer than the head', () => performance.now() - answeredAt > headMs);
  goOn();
  expect(await response.text()).toBe('firstlast');
  const [ended] = await world.recorder.ends(1);
  expect(ended?.latencyMs).toBeGreaterThan(0);
  expect(ended?.latencyMs).toBeLessThanOrEqual(headMs);
});
