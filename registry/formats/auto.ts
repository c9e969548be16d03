/**
 * Reads each entry in the format that it looks like: for a service whose writers move from one format to another, or
 * whose format nobody remembers. Nothing is written so. Where a format has a folder of its own below the service's
 * (Dubbo, Kafka) it has to be named.
 */
import { describe } from '../../runtime/expected.js';
import { rejected } from '../../runtime/result.js';
import { address } from './address.js';
import { curator } from './curator.js';
import type { Format } from './format.js';
import { looksLike } from './guess.js';
import { hostPort } from './host-port.js';
import { nerve } from './nerve.js';
import { nervePath } from './nerve-path.js';
import { pilotfish } from './pilotfish.js';
import { serverset } from './serverset.js';

const READERS: Readonly<Record<string, Format>> = Object.fromEntries(
  [pilotfish, hostPort(), address(), nerve, nervePath, serverset, curator].map((format) => [
    format.name,
    format,
  ]),
);

export const auto: Format = {
  name: 'auto',
  folder: (service) => service,
  needsData: true,
  nameIsId: false,
  isSequential: false,
  companions: serverset.companions as NonNullable<Format['companions']>,
  decode(entry, service) {
    const format = READERS[looksLike(entry) ?? ''];
    if (format !== undefined) return format.decode(entry, service);
    const formats = Object.keys(READERS).join(', ');
    return rejected(`expected an entry of ${formats}, got ${describe(shown(entry.data))}, at entry`);
  },
};

function shown(data: Uint8Array | undefined): string {
  return Buffer.from(data ?? []).toString('utf8', 0, 200);
}
