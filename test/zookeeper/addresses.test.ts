import { describe, expect, test } from 'vitest';
import { Addresses } from '../../registry/zookeeper/addresses.js';
import { systemClock } from '../../runtime/clock.js';
import { formatHostPort, type HostPort } from '../../runtime/host-port.js';
import { seededRandom } from '../../runtime/random.js';
import { VirtualClock } from '../../runtime/virtual-clock.js';

const A: HostPort = { host: 'zk-a', port: 2181 };
const B: HostPort = { host: 'zk-b', port: 2182 };

type Names = Record<string, readonly string[] | Error>;

/** Addresses over a name service that says what `names` says at the moment, and counts the questions. */
function resolving(hosts: readonly HostPort[], names: Names) {
  const asked: string[] = [];
  const resolve = async (host: string): Promise<readonly string[]> => {
    asked.push(host);
    const answer = names[host] ?? new Error(`no such name: ${host}`);
    if (answer instanceof Error) throw answer;
    return answer;
  };
  const addresses = new Addresses({ hosts, clock: systemClock, random: seededRandom(1), resolve });
  const current = async (): Promise<string[]> => (await addresses.current()).map(formatHostPort).toSorted();
  return { addresses, asked, current };
}

describe('addresses', () => {
  test('are all addresses of all names, each with the name it came from', async () => {
    const { addresses } = resolving([A, B], { 'zk-a': ['10.0.0.1', '10.0.0.2'], 'zk-b': ['fd00::1'] });
    expect((await addresses.current()).toSorted((x, y) => x.host.localeCompare(y.host))).toEqual([
      { host: '10.0.0.1', port: 2181, name: 'zk-a' },
      { host: '10.0.0.2', port: 2181, name: 'zk-a' },
      { host: 'fd00::1', port: 2182, name: 'zk-b' },
    ]);
  });

  test('are asked for anew every time, and follow their names', async () => {
    const names: Names = { 'zk-a': ['10.0.0.1'] };
    const { current, asked } = resolving([A], names);
    expect(await current()).toEqual(['10.0.0.1:2181']);
    names['zk-a'] = ['10.0.0.9'];
    expect(await current()).toEqual(['10.0.0.9:2181']);
    expect(asked).toEqual(['zk-a', 'zk-a']);
  });

  test('that are written as such are never asked for', async () => {
    const { current, asked } = resolving(
      [
        { host: '127.0.0.1', port: 1 },
        { host: '::1', port: 2 },
      ],
      {},
    );
    expect(await current()).toEqual(['127.0.0.1:1', '[::1]:2']);
    expect(asked).toEqual([]);
  });

  test.each<[string, Names[string]]>([
    ['fails', new Error('EAI_AGAIN')],
    ['knows nothing', []],
  ])('are the last good ones when the name service %s', async (_name, answer) => {
    const names: Names = { 'zk-a': ['10.0.0.1'], 'zk-b': ['10.0.0.2'] };
    const { current } = resolving([A, B], names);
    await current();
    names['zk-a'] = answer;
    names['zk-b'] = ['10.0.0.3'];
    expect(await current()).toEqual(['10.0.0.1:2181', '10.0.0.3:2182']);
  });

  test('of one name do without those of another', async () => {
    const { current } = resolving([A, B], { 'zk-b': ['10.0.0.2'] });
    expect(await current()).toEqual(['10.0.0.2:2182']);
  });

  test('that were never known are an error, which says why', async () => {
    const { addresses } = resolving([A, B], {});
    await expect(addresses.current()).rejects.toThrow('no such name: zk-a');
  });

  test('are the last good ones when the name service does not answer in time', async () => {
    const clock = new VirtualClock();
    let answer: Promise<readonly string[]> = Promise.resolve(['10.0.0.1']);
    const addresses = new Addresses({ hosts: [A], clock, random: seededRandom(1), resolve: () => answer });
    await addresses.current();
    answer = new Promise(() => {});
    const later = addresses.current();
    await clock.advance(5_000);
    expect((await later).map(formatHostPort)).toEqual(['10.0.0.1:2181']);
    expect(clock.pending).toBe(0);
  });

  test('come in another order every time, each place as likely as any other', async () => {
    const hosts = ['10.0.0.1', '10.0.0.2', '10.0.0.3'];
    const { addresses } = resolving([A], { 'zk-a': hosts });
    const firsts = new Map<string, number>();
    for (let i = 0; i < 3_000; i++) {
      const [first] = await addresses.current();
      firsts.set(first?.host ?? '', (firsts.get(first?.host ?? '') ?? 0) + 1);
    }
    // Four standard deviations of 3,000 throws of a die with three sides are 103.
    for (const host of hosts) expect(Math.abs((firsts.get(host) ?? 0) - 1_000)).toBeLessThan(103);
  });

  test('of this machine are known to the system', async () => {
    const hosts = [{ host: 'localhost', port: 2181 }];
    const addresses = new Addresses({ hosts, clock: systemClock, random: seededRandom(1) });
    const found = (await addresses.current()).map(({ host }) => host);
    expect(['127.0.0.1', '::1']).toContain(found[0]);
  });
});
