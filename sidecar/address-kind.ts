/** Which addresses other hosts can reach: the ranges of RFC 6890 that matter to an advertised address. */
import { BlockList, isIP } from 'node:net';

export type AddressKind = 'loopback' | 'unspecified' | 'link-local' | 'usable';

/** The kind of an IP literal. A host name is usable, except `localhost` (RFC 6761), which is loopback. */
export function kindOf(host: string): AddressKind {
  const family = isIP(host);
  if (family === 0) return /^(.*\.)?localhost\.?$/i.test(host) ? 'loopback' : 'usable';
  const type = family === 4 ? 'ipv4' : 'ipv6';
  return KINDS.find(([, range]) => range.check(host, type))?.[0] ?? 'usable';
}

const KINDS: readonly (readonly [AddressKind, BlockList])[] = [
  ['loopback', ranges(['127.0.0.0', 8], ['::1', 128], ['::ffff:127.0.0.0', 104])],
  ['unspecified', ranges(['0.0.0.0', 8], ['::', 128], ['::ffff:0.0.0.0', 104])],
  ['link-local', ranges(['169.254.0.0', 16], ['fe80::', 10], ['::ffff:169.254.0.0', 112])],
];

function ranges(...subnets: readonly (readonly [string, number])[]): BlockList {
  const list = new BlockList();
  for (const [net, prefix] of subnets) list.addSubnet(net, prefix, isIP(net) === 4 ? 'ipv4' : 'ipv6');
  return list;
}

/** Reads `10.0.0.0/8` or `fd00::/8`. Undefined when the text is no network. */
export function parseCidr(text: string): ((address: string) => boolean) | undefined {
  const [, net = '', prefix = ''] = /^([0-9a-fA-F.:]+)\/(\d{1,3})$/.exec(text) ?? [];
  const family = isIP(net);
  if (family === 0 || Number(prefix) > (family === 4 ? 32 : 128)) return undefined;
  const list = ranges([net, Number(prefix)]);
  return (address) => isIP(address) === family && list.check(address, family === 4 ? 'ipv4' : 'ipv6');
}
