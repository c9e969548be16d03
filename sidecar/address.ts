/**
 * The address callers are sent to. Written down it is taken as given; otherwise it is found by interface, by network,
 * or as the source address of the default route. A found address that other hosts cannot reach is refused, because
 * a service listed at 127.0.0.1 looks healthy everywhere and answers nowhere.
 */
import { createSocket } from 'node:dgram';
import { isIP } from 'node:net';
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import { deferred } from '../runtime/deferred.js';
import { reject } from '../runtime/expected.js';
import { isHost } from '../runtime/host-port.js';
import { type AddressKind, kindOf, parseCidr } from './address-kind.js';

export type AddressChoice =
  | { readonly type: 'given'; readonly host: string }
  | { readonly type: 'interface'; readonly name: string }
  | { readonly type: 'cidr'; readonly cidr: string }
  | { readonly type: 'detected' };

export const ADDRESS_RULE = 'an IP address, a host name, "interface:NAME", "cidr:NETWORK/BITS" or "detected"';

/** Reads `10.0.0.5`, `web.internal`, `interface:eth0`, `cidr:10.0.0.0/8` or `detected`. Undefined for anything else. */
export function parseAddressChoice(text: string): AddressChoice | undefined {
  if (text === 'detected') return { type: 'detected' };
  const [, type, rest = ''] = /^(interface|cidr):(.*)$/.exec(text) ?? [];
  if (type === 'interface') return /^[^\s/:]{1,64}$/.test(rest) ? { type, name: rest } : undefined;
  if (type === 'cidr') return parseCidr(rest) === undefined ? undefined : { type, cidr: rest };
  return isHost(text) ? { type: 'given', host: text } : undefined;
}

/** What `parseAddressChoice` reads. */
export function formatAddressChoice(choice: AddressChoice): string {
  if (choice.type === 'given') return choice.host;
  if (choice.type === 'interface') return `interface:${choice.name}`;
  return choice.type === 'cidr' ? `cidr:${choice.cidr}` : 'detected';
}

/** What is asked of the machine; `systemMachine` is this one. */
export interface Machine {
  readonly interfaces: () => NodeJS.Dict<NetworkInterfaceInfo[]>;
  /** The source address that the default route would use, if there is such a route. */
  readonly routeSource: (family: 4 | 6) => Promise<string | undefined>;
}

export interface AddressOptions {
  /** True when other hosts read the registry: anything but `local:`. */
  readonly shared: boolean;
  /** Where the choice stands, for the error. Default `address`. */
  readonly path?: string;
  readonly machine?: Machine;
}

/** Other hosts read every registry but the embedded one. */
export function isSharedRegistry(url: string): boolean {
  return !url.startsWith('local:');
}

/**
 * The host to advertise: an IP literal without zone, or the host name that was given. Throws BAD_INPUT, with the
 * candidates of this machine, when nothing matches or what was found cannot be reached from other hosts.
 */
export async function chooseAddress(choice: AddressChoice, options: AddressOptions): Promise<string> {
  if (choice.type === 'given') return choice.host;
  if (choice.type === 'detected' && !options.shared) return '127.0.0.1';
  const machine = options.machine ?? systemMachine;
  const candidates = candidatesOf(machine);
  const found = choice.type === 'detected' ? await detected(machine) : matching(choice, candidates, options);
  const isRight = found !== undefined && (!options.shared || kindOf(found) === 'usable');
  if (isRight) return found;
  const got = found === undefined ? 'none' : `${found}, which is ${kindOf(found)}`;
  return reject(options.path ?? 'address', `${wanted(choice, options)}; ${listed(candidates)}`, got);
}

export interface Candidate {
  readonly interface: string;
  readonly address: string;
  readonly kind: AddressKind;
  /** A bridge that a container engine made: reachable from this host's containers only. */
  readonly bridge: boolean;
}

/** Every address of this machine in the system's order, IPv4 before IPv6 in each interface. */
export function candidatesOf(machine: Machine): readonly Candidate[] {
  return Object.entries(machine.interfaces()).flatMap(([name, infos = []]) =>
    [...infos]
      .sort((a, b) => isIP(a.address) - isIP(b.address))
      .map(({ address }) => withoutZone(address))
      .map((address) => ({ interface: name, address, kind: kindOf(address), bridge: isBridge(name) })),
  );
}

function isBridge(name: string): boolean {
  return /^(docker|br-|virbr|cni|podman|lxcbr|lxdbr|veth|cali|flannel)/.test(name);
}

function withoutZone(address: string): string {
  return address.replace(/%.*$/, '');
}

async function detected(machine: Machine): Promise<string | undefined> {
  const source = (await machine.routeSource(4)) ?? (await machine.routeSource(6));
  return source === undefined ? undefined : withoutZone(source);
}

/** The first match that other hosts can reach, or else the first match, so that the error can name it. */
function matching(
  choice: Extract<AddressChoice, { type: 'interface' | 'cidr' }>,
  candidates: readonly Candidate[],
  { shared }: AddressOptions,
): string | undefined {
  const inNetwork = choice.type === 'cidr' ? parseCidr(choice.cidr) : undefined;
  const matches = candidates.filter((candidate) =>
    choice.type === 'interface' ? candidate.interface === choice.name : inNetwork?.(candidate.address),
  );
  const reachable = shared ? matches.find(({ kind }) => kind === 'usable') : undefined;
  return (reachable ?? matches[0])?.address;
}

function wanted(choice: AddressChoice, { shared }: AddressOptions): string {
  const where = choice.type === 'detected' ? 'by the default route' : `by ${formatAddressChoice(choice)}`;
  return `an address ${shared ? 'that other hosts can reach, ' : ''}found ${where}`;
}

function listed(candidates: readonly Candidate[]): string {
  const texts = candidates.map(({ interface: name, address, kind, bridge }) => {
    const remark = kind === 'usable' ? (bridge ? ' (container bridge)' : '') : ` (${kind})`;
    return `${name} ${address}${remark}`;
  });
  return `this machine has ${texts.join(', ') || 'none'}`;
}

/** TEST-NET-1 and the documentation prefix (RFC 5737, RFC 3849): routed like any other address, owned by nobody. */
const NOWHERE = { 4: '192.0.2.1', 6: '2001:db8::1' } as const;

/** Connecting a UDP socket looks the route up and sends nothing. */
async function routeSource(family: 4 | 6): Promise<string | undefined> {
  const socket = createSocket(family === 4 ? 'udp4' : 'udp6');
  const source = deferred<string | undefined>();
  socket.once('error', () => source.resolve(undefined));
  socket.once('connect', () => source.resolve(socket.address().address));
  socket.connect(9, NOWHERE[family]);
  try {
    return await source.promise;
  } finally {
    socket.close();
  }
}

export const systemMachine: Machine = { interfaces: networkInterfaces, routeSource };
