/**
 * Reads each entry in the format that it looks like: for a service whose writers move from one format to another, or
 * whose format nobody remembers. Nothing is written so. Where a format has a folder of its own below the service's
 * (Dubbo, Kafka) it has to be named.
 */
import { describe } from '../../runtime/expected.js';
import { rejected } from '../../runtime/result.js';
import { address } from './address.js';
import { curator } from './curator.js';
import { etcdNaming } from './etcd-naming.js';
import type { Format, FormatOptions } from './format.js';
import { goZero } from './go-zero.js';
import { looksLike } from './guess.js';
import { hostPort } from './host-port.js';
import { kratos } from './kratos.js';
import { nerve } from './nerve.js';
import { nervePath } from './nerve-path.js';
import { pilotfish } from './pilotfish.js';
import { serverset } from './serverset.js';
import { skydns } from './skydns.js';

/** Of the formats of the registry, those whose entries are below the folder of their service. */
export function auto({ known = [], ...options }: FormatOptions): Format {
  const formats = [
    ...[pilotfish, hostPort(options), address(options), nerve, nervePath, serverset, curator],
    ...[etcdNaming, goZero, kratos(options), skydns],
  ].filter(({ name }) => known.includes(name));
  const names = formats.map(({ name }) => name);
  return {
    name: 'auto',
    folder: (service) => service,
    needsData: true,
    nameIsId: false,
    isSequential: false,
    companions: serverset.companions as NonNullable<Format['companions']>,
    decode(entry, service) {
      const likely = looksLike(entry, names);
      const format = formats.find(({ name }) => name === likely);
      if (format !== undefined) return format.decode(entry, service);
      return rejected(
        `expected an entry of ${names.join(', ')}, got ${describe(shown(entry.data))}, at entry`,
      );
    },
  };
}

function shown(data: Uint8Array | undefined): string {
  return Buffer.from(data ?? []).toString('utf8', 0, 200);
}
