/**
 * Which addresses from a registry may be used. Whoever can write to the registry could otherwise point every caller at
 * a cloud metadata service, at a port of the caller's own host, or at a whole network segment. Judged here are IP
 * literals and the names that always mean this host. Any other name passes, whatever it resolves to: who resolves it is
 * not known here.
 */
import { BlockList, isIP } from 'node:net';
import type { Instance, RegistryReader, Rejection, Snapshot } from '../registry/contract.js';
import { placesIn } from '../registry/snapshot.js';
import { describe, formatProblem } from '../runtime/expected.js';
import { parseHostPort } from '../runtime/host-port.js';

export interface AddressOptions {
  /**
   * Accept loopback addresses from every registry. By default only from one that is itself on this host: `local:`,
   * `static:`, or a URL whose hosts are all loopback.
   */
  readonly allowLoopback?: boolean;
}

type Range = readonly [network: string, prefix: number];

const LOOPBACK = blockList([['127.0.0.0', 8]], [['::1', 128]]);

/** Refused always: no service is ever reached there. */
const NEVER: readonly { readonly kind: string; readonly list: BlockList }[] = [
  { kind: 'unspecified', list: blockList([['0.0.0.0', 8]], [['::', 128]]) },
  { kind: 'multicast', list: blockList([['224.0.0.0', 4]], [['ff00::', 8]]) },
  { kind: 'broadcast', list: blockList([['255.255.255.255', 32]], []) },
  { kind: 'link-local', list: blockList([['169.254.0.0', 16]], [['fe80::', 10]]) },
  { kind: 'cloud metadata', list: blockList([], [['fd00:ec2::254', 128]]) },
];

/** What is wrong with a host as the address of an endpoint, in one word; undefined when it may be used. */
export function addressFault(host: string, allowLoopback: boolean): string | undefined {
  const [address = ''] = host.split('%');
  const version = isIP(address);
  if (version === 0) return isLocalName(address) && !allowLoopback ? 'loopback' : undefined;
  const family = version === 4 ? 'ipv4' : 'ipv6';
  if (LOOPBACK.check(address, family)) return allowLoopback ? undefined : 'loopback';
  return NEVER.find(({ list }) => list.check(address, family))?.kind;
}

/** RFC 6761, 6.3. */
function isLocalName(name: string): boolean {
  return /(?:^|\.)localhost\.?$/i.test(name);
}

/** True when the registry lives on this host, so that a loopback address in it means what it says. */
export function isSameHost({ kind, url }: Pick<RegistryReader, 'kind' | 'url'>): boolean {
  if (kind === 'local' || kind === 'static') return true;
  const authority = /^[a-z][a-z0-9+-]*:(?:\/\/)?([^/?]+)/.exec(url)?.[1];
  if (authority === undefined) return false;
  return authority.split(',').every((part) => {
    const host = parseHostPort(part, 1)?.host;
    return host !== undefined && addressFault(host, false) === 'loopback';
  });
}

export interface Screened {
  /** The snapshot without the refused instances; the same object when none was refused. */
  readonly usable: Snapshot;
  readonly refused: readonly Rejection[];
}

type Fault = string | undefined;

/** Screens the lists of one registry, and remembers the verdict on each instance for as long as it is listed. */
export class AddressScreen {
  readonly #allowLoopback: boolean;
  #list: readonly Instance[] = [];
  /** For each of the list what is wrong with its address. */
  #faults: readonly Fault[] = [];

  constructor(registry: RegistryReader, options: AddressOptions) {
    this.#allowLoopback = options.allowLoopback === true || isSameHost(registry);
  }

  screen(snapshot: Snapshot): Screened {
    const { instances } = snapshot;
    const faults = this.#judge(instances);
    this.#list = instances;
    this.#faults = faults;
    if (faults.every((fault) => fault === undefined)) return { usable: snapshot, refused: [] };
    const usable = instances.filter((_, at) => faults[at] === undefined);
    const refused = instances.flatMap((instance, at) => {
      const fault = faults[at];
      return fault === undefined ? [] : [rejection(instance, fault)];
    });
    return { usable: Object.freeze({ ...snapshot, instances: Object.freeze(usable) }), refused };
  }

  #judge(instances: readonly Instance[]): readonly Fault[] {
    const { former } = placesIn(this.#list, instances);
    const verdicts = new Map<string, Fault>();
    return instances.map((instance, at) => {
      const place = former[at] as number;
      return this.#isKnown(instance, place) ? this.#faults[place] : this.#verdict(instance, verdicts);
    });
  }

  #isKnown(instance: Instance, place: number): boolean {
    if (place < 0) return false;
    const known = this.#list[place] as Instance;
    return known === instance || known.endpoint.host === instance.endpoint.host;
  }

  /** @param verdicts Those of this list, in which many may share a host. */
  #verdict({ endpoint: { host } }: Instance, verdicts: Map<string, Fault>): Fault {
    if (!verdicts.has(host)) verdicts.set(host, addressFault(host, this.#allowLoopback));
    return verdicts.get(host);
  }
}

function rejection({ id, endpoint }: Instance, fault: string): Rejection {
  const problem = {
    path: 'host',
    expected: 'an address that may be used',
    got: `${describe(endpoint.host)}, which is ${fault}`,
  };
  return { entry: id, reason: formatProblem(problem) };
}

/** IPv4 ranges also in every IPv6 form that carries an IPv4 address; `BlockList` itself sees only the mapped one. */
function blockList(ranges: readonly Range[], ipv6: readonly Range[]): BlockList {
  const list = new BlockList();
  for (const [network, prefix] of ranges) {
    list.addSubnet(network, prefix, 'ipv4');
    list.addSubnet(`64:ff9b::${network}`, 96 + prefix, 'ipv6');
    list.addSubnet(`2002:${hexGroups(network)}::`, 16 + prefix, 'ipv6');
    list.addSubnet(`::${network}`, 96 + prefix, 'ipv6');
  }
  for (const [network, prefix] of ipv6) list.addSubnet(network, prefix, 'ipv6');
  return list;
}

/** `169.254.0.0` as two groups of an IPv6 address: `a9fe:0`. */
function hexGroups(ipv4: string): string {
  const [a = 0, b = 0, c = 0, d = 0] = ipv4.split('.').map(Number);
  return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
}
