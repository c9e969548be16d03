import { describe, expect, test } from 'vitest';
import { JuteReader, JuteWriter } from '../../registry/zookeeper/wire/jute.js';
import type { WatchEvent, WatchEventType } from '../../registry/zookeeper/wire/records.js';
import { Watches, type WatchKind, writeSetWatches } from '../../registry/zookeeper/wire/watches.js';

const KINDS: readonly WatchKind[] = ['data', 'exists', 'children'];

/** Watches of every kind on `/a/b`, and the names of those that were called. */
function watching(): { readonly watches: Watches; readonly called: string[] } {
  const watches = new Watches();
  const called: string[] = [];
  for (const kind of KINDS) watches.addOnce(kind, '/a/b', () => called.push(kind));
  watches.addTree('/a/b', 'persistent', () => called.push('persistent'));
  watches.addTree('/a', 'recursive', () => called.push('recursive'));
  return { watches, called };
}

describe('an event on /a/b', () => {
  test.each<[WatchEventType, readonly string[]]>([
    ['created', ['exists', 'data', 'persistent', 'recursive']],
    ['changed', ['exists', 'data', 'persistent', 'recursive']],
    ['deleted', ['exists', 'data', 'children', 'persistent', 'recursive']],
    ['children', ['children', 'persistent']],
    ['removed', ['exists', 'data', 'children']],
    ['session', []],
    ['unknown', []],
  ])('%s reaches %j', (type, reached) => {
    const { watches, called } = watching();
    watches.fire({ type, path: '/a/b' });
    expect(called).toEqual(reached);
  });

  test.each<[WatchEventType, readonly string[]]>([
    ['created', ['children']],
    ['changed', ['children']],
    ['deleted', []],
    ['children', ['data', 'exists']],
    ['removed', []],
    ['session', ['data', 'exists', 'children']],
    ['unknown', ['data', 'exists', 'children']],
  ])('%s leaves the one-shot watches %j, and all that stay', (type, left) => {
    const { watches } = watching();
    watches.fire({ type, path: '/a/b' });
    const [packet] = watches.packets(1_000);
    expect(KINDS.filter((kind) => packet?.[kind].length === 1)).toEqual(left);
    expect([packet?.persistent, packet?.trees]).toEqual([['/a/b'], ['/a']]);
  });

  test('reaches a one-shot watch once', () => {
    const { watches, called } = watching();
    watches.fire({ type: 'deleted', path: '/a/b' });
    called.length = 0;
    watches.fire({ type: 'deleted', path: '/a/b' });
    expect(called).toEqual(['persistent', 'recursive']);
  });

  test('reaches one listener once, however it waits', () => {
    const watches = new Watches();
    let calls = 0;
    const listener = (): void => void calls++;
    for (const kind of KINDS) watches.addOnce(kind, '/a', listener);
    watches.addOnce('data', '/a', listener);
    watches.fire({ type: 'deleted', path: '/a' });
    expect(calls).toBe(1);
  });
});

describe('a watch that stays', () => {
  test.each([
    ['/a', ['/a', '/a/b', '/a/b/c']],
    ['/a/b', ['/a/b', '/a/b/c']],
    ['/', ['/a', '/a/b', '/a/b/c', '/ab']],
  ])('for everything below %s hears of it, and of nothing beside it', (path, heard) => {
    const watches = new Watches();
    const paths: string[] = [];
    watches.addTree(path, 'recursive', (event) => paths.push(event.path));
    for (const changed of ['/a', '/a/b', '/a/b/c', '/ab']) watches.fire({ type: 'changed', path: changed });
    expect(paths).toEqual(heard);
  });

  test('for one node hears of its children as a whole, and nothing from below', () => {
    const watches = new Watches();
    const events: WatchEvent[] = [];
    watches.addTree('/a', 'persistent', (event) => events.push(event));
    watches.fire({ type: 'children', path: '/a' });
    watches.fire({ type: 'changed', path: '/a/b' });
    expect(events).toEqual([{ type: 'children', path: '/a' }]);
  });

  test('has one mode a path, because the server has', () => {
    const watches = new Watches();
    const listener = (): void => {};
    expect(watches.addTree('/a', 'recursive', listener)).toBe(true);
    expect(watches.addTree('/a', 'persistent', listener)).toBe(false);
    expect(watches.removeTree('/a', listener)).toBe(true);
    expect(watches.addTree('/a', 'persistent', listener)).toBe(true);
  });

  test('is removed from the server with its last listener', () => {
    const watches = new Watches();
    const [first, second] = [() => {}, () => {}];
    watches.addTree('/a', 'recursive', first);
    watches.addTree('/a', 'recursive', second);
    expect([watches.removeTree('/a', first), watches.removeTree('/a', first)]).toEqual([false, false]);
    expect(watches.removeTree('/a', second)).toBe(true);
    expect(watches.size).toBe(0);
  });
});

describe('a listener', () => {
  test('that watches again is not called for the same event', () => {
    const watches = new Watches();
    let calls = 0;
    const again = (): void => {
      calls++;
      watches.addOnce('data', '/a', again);
      watches.addTree('/a', 'recursive', () => calls++);
    };
    watches.addOnce('data', '/a', again);
    watches.fire({ type: 'changed', path: '/a' });
    expect(calls).toBe(1);
    watches.fire({ type: 'changed', path: '/a' });
    expect(calls).toBe(3);
  });

  test('that throws stops no other, and its error is not swallowed', async () => {
    const watches = new Watches();
    const called: string[] = [];
    watches.addOnce('data', '/a', () => {
      throw new Error('a listener failed');
    });
    watches.addOnce('data', '/a', () => called.push('second'));
    watches.addTree('/a', 'recursive', () => called.push('tree'));
    const uncaught = await nextUncaught(() => watches.fire({ type: 'changed', path: '/a' }));
    expect(called).toEqual(['second', 'tree']);
    expect(uncaught.message).toBe('a listener failed');
  });
});

describe('what the server is told after a reconnect', () => {
  const MAX = 128 * 1024;

  test.each([
    ['short', 10_000, 20],
    ['long', 10_000, 215],
    ['longer than a packet', 3, MAX + 1],
  ])('is every watch once, in packets below the limit: %s paths', (_name, count, length) => {
    const watches = new Watches();
    const paths = Array.from({ length: count }, (_, i) =>
      `/${i}-`.padEnd(length, 'é'.repeat(length)).slice(0, length),
    );
    for (const [i, path] of paths.entries()) {
      if (i % 4 === 3) watches.addTree(path, i % 8 === 3 ? 'recursive' : 'persistent', () => {});
      else watches.addOnce(KINDS[i % 4] as WatchKind, path, () => {});
    }
    const packets = watches.packets(MAX);
    const told = packets.flatMap((packet) => Object.values(packet).flat() as string[]);
    expect(told.toSorted()).toEqual(paths.toSorted());
    expect(watches.size).toBe(count);
    for (const packet of packets) {
      const writer = new JuteWriter();
      writeSetWatches(writer, 1, packet);
      const listed = Object.values(packet).flat().length;
      if (listed > 1) expect(writer.length).toBeLessThanOrEqual(MAX + 28);
    }
  });

  test('is nothing when nobody watches', () => {
    expect(new Watches().packets(MAX)).toEqual([]);
  });

  test('has three lists for a server of any age, and five where there are watches that stay', () => {
    const watches = new Watches();
    watches.addOnce('data', '/d', () => {});
    watches.addOnce('exists', '/e', () => {});
    watches.addOnce('children', '/c', () => {});
    expect(listsOf(watches)).toEqual([['/d'], ['/e'], ['/c']]);
    watches.addTree('/p', 'persistent', () => {});
    expect(listsOf(watches)).toEqual([['/d'], ['/e'], ['/c'], ['/p'], []]);
    watches.addTree('/r', 'recursive', () => {});
    expect(listsOf(watches)).toEqual([['/d'], ['/e'], ['/c'], ['/p'], ['/r']]);
  });

  function listsOf(watches: Watches): string[][] {
    const [packet] = watches.packets(MAX);
    const writer = new JuteWriter();
    writeSetWatches(writer, 42, packet as NonNullable<typeof packet>);
    const reader = new JuteReader(writer.frame().subarray(4));
    expect(reader.long()).toBe(42);
    const lists: string[][] = [];
    while (reader.left > 0) lists.push(reader.list(() => reader.text()));
    return lists;
  }
});

/** The error that nobody caught, taken from the runner, which would count it as its own. */
function nextUncaught(work: () => void): Promise<Error> {
  const listeners = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  return new Promise<Error>((resolve) => {
    process.once('uncaughtException', resolve);
    work();
  }).finally(() => {
    for (const listener of listeners) process.on('uncaughtException', listener);
  });
}
