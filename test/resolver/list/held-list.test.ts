import { createServer, type Server } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Instance, Snapshot } from '../../../registry/contract.js';
import { diff, snapshotOf } from '../../../registry/snapshot.js';
import { answersOnTcp } from '../../../resolver/list/answers.js';
import { HeldList } from '../../../resolver/list/held-list.js';
import type { ListChange } from '../../../resolver/merged.js';
import { seededRandom } from '../../../runtime/random.js';
import { VirtualClock } from '../../../runtime/virtual-clock.js';
import { instance } from '../memory-registry.js';

/** Each at a port of its own. */
const at = (ids: string): Instance[] => [...ids].map((id) => instance({ id, port: id.charCodeAt(0) }));
const idsOf = (snapshot: Snapshot | undefined): string =>
  snapshot?.instances.map(({ id }) => id).join('') ?? 'none';

class World {
  readonly clock = new VirtualClock();
  readonly changes: string[] = [];
  readonly log: string[] = [];
  /** Ids that do not answer. */
  dead = '';
  asked = 0;
  #listed: Snapshot | undefined;
  readonly list: HeldList;

  constructor() {
    const answers = async ({ port }: { readonly port: number }): Promise<boolean> => {
      this.asked++;
      return !this.dead.includes(String.fromCharCode(port));
    };
    const write = (fields: object, message: string): void => {
      this.log.push(`${message} ${JSON.stringify(fields)}`);
    };
    const logger = { debug: write, info: write, warn: write, error: write };
    const hold = { holdMs: 90_000, share: 0.5, answers };
    this.list = new HeldList('orders', { clock: this.clock, random: seededRandom(1), logger, hold });
    this.list.onChange(({ added, removed, snapshot }: ListChange) => {
      this.changes.push(`+${added.length}-${removed.length}=${idsOf(snapshot)}`);
    });
    onTestFinished(() => this.list.close());
  }

  hear(ids: string): void {
    const snapshot = snapshotOf('orders', at(ids), 0);
    const change = { ...diff(this.#listed, snapshot), snapshot };
    this.#listed = snapshot;
    this.list.accept(change, false);
  }
}

describe('a list that vanishes', () => {
  it('is used on while it answers, until the hold ends', async () => {
    const world = new World();
    world.hear('abc');
    world.hear('');
    await world.clock.advance(89_999);
    expect([world.changes, idsOf(world.list.snapshot)]).toEqual([['+3-0=abc'], 'abc']);
    expect(world.list.held.map(({ instance: { id }, reason }) => `${id} ${reason}`)).toEqual([
      'a empty',
      'b empty',
      'c empty',
    ]);
    await world.clock.advance(1);
    expect(world.changes).toEqual(['+3-0=abc', '+0-3=']);
    expect(world.list.held).toEqual([]);
  });

  it('is dropped at once where it does not answer: absent and failing (T26)', async () => {
    const world = new World();
    world.dead = 'ac';
    world.hear('abc');
    world.hear('');
    await world.clock.advance(10);
    expect(world.changes).toEqual(['+3-0=abc', '+0-2=b']);
  });

  it('is dropped as soon as it stops to answer', async () => {
    const world = new World();
    world.hear('abc');
    world.hear('');
    await world.clock.advance(20_000);
    world.dead = 'abc';
    await world.clock.advance(6_100);
    expect(world.changes).toEqual(['+3-0=abc', '+0-3=']);
    const { asked } = world;
    await world.clock.advance(60_000);
    expect([world.asked, world.clock.pending]).toEqual([asked, 0]);
  });

  it('is asked every five seconds or so', async () => {
    const world = new World();
    world.hear('ab');
    world.hear('');
    await world.clock.advance(60_000);
    expect(world.asked).toBeGreaterThanOrEqual(20);
    expect(world.asked).toBeLessThanOrEqual(32);
  });

  it('changes nothing when it comes back', async () => {
    const world = new World();
    world.hear('abc');
    world.hear('');
    world.hear('b');
    await world.clock.advance(1_000);
    expect(world.list.held.map(({ instance: { id } }) => id)).toEqual(['a', 'c']);
    world.hear('abc');
    await world.clock.advance(200_000);
    expect(world.changes).toEqual(['+3-0=abc']);
    expect(world.clock.pending).toBe(0);
  });

  it('takes additions at once', () => {
    const world = new World();
    world.hear('abcd');
    world.hear('x');
    expect(world.changes).toEqual(['+4-0=abcd', '+1-0=abcdx']);
  });

  it('is one line in the log at its begin and one at its end', async () => {
    const world = new World();
    world.hear('abc');
    world.hear('a');
    world.hear('');
    world.hear('abc');
    expect(world.log).toEqual([
      'most of the list vanished at once: held while it answers {"service":"orders","cause":"mass removal","held":2,"holdMs":90000}',
      'the hold is over, using what the registry lists {"service":"orders"}',
    ]);
  });
});

describe('a list from before this process came', () => {
  it('gives way to the first one of the registry', () => {
    const world = new World();
    world.list.restore(snapshotOf('orders', at('abc'), 0), false);
    world.hear('');
    expect(world.changes).toEqual(['+3-0=abc', '+0-3=']);
  });

  it('counts as what the registry said before when it is recent', () => {
    const world = new World();
    world.list.restore(snapshotOf('orders', at('abc'), 0), true);
    world.hear('');
    world.hear('bcd');
    expect(world.changes).toEqual(['+3-0=abc', '+1-0=abcd']);
  });

  it('is told of no second time when it is confirmed', () => {
    const world = new World();
    world.list.restore(snapshotOf('orders', at('abc'), 0), true);
    world.hear('abc');
    world.hear('ab');
    expect(world.changes).toEqual(['+3-0=abc', '+0-1=ab']);
  });
});

describe('an endpoint', () => {
  const listening = async (server: Server): Promise<number> => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as { port: number }).port;
  };
  const { signal } = new AbortController();

  it('answers when somebody accepts, and not when nobody does', async () => {
    const server = createServer((socket) => socket.end());
    const port = await listening(server);
    const answers = answersOnTcp(new VirtualClock());
    expect(await answers({ host: '127.0.0.1', port }, signal)).toBe(true);
    await new Promise((resolve) => server.close(resolve));
    expect(await answers({ host: '127.0.0.1', port }, signal)).toBe(false);
  });

  it('does not answer when nothing comes within half a second', async () => {
    const clock = new VirtualClock();
    // A network of documentation: nobody is there, whether that is told or not.
    const outcome = answersOnTcp(clock)({ host: '192.0.2.1', port: 9 }, signal);
    await clock.advance(500);
    expect(await outcome).toBe(false);
  });

  it('is given the benefit of the doubt when the check is ended', async () => {
    const stop = new AbortController();
    const outcome = answersOnTcp(new VirtualClock())({ host: '192.0.2.1', port: 9 }, stop.signal);
    stop.abort();
    expect(await outcome).toBe(true);
  });
});
