/**
 * SkyDNS' records, which CoreDNS serves from etcd: `/skydns/<labels of the name, last one first>/<id>` with host, port and
 * what a SRV record says. DNS knows no drain, and a weight of 0 means that none was given: an instance that is to get no
 * traffic has no entry.
 */
import { printable } from '../../runtime/printable.js';
import { rejected } from '../../runtime/result.js';
import { idOfName } from './entry-name.js';
import type { Format } from './format.js';
import { instanceFrom, portOf, readObject } from './reading.js';
import { metadataOf, weightIn } from './text-map.js';
import { isIdle, jsonData } from './writing.js';

/** What a record weighs that says nothing. */
const DEFAULT_WEIGHT = 100;
/** Seconds that resolvers may keep an answer, at most. CoreDNS' own default is 300. */
const TTL = 5;

export const skydns: Format = {
  name: 'skydns',
  folder: (service) => service.split('.').reverse().join('/'),
  needsData: true,
  nameIsId: true,
  isSequential: false,
  hides: isIdle,
  encode(instance) {
    const { host, port } = instance.endpoint;
    const weight = Math.max(1, Math.round(instance.weight));
    return { name: instance.id, data: jsonData({ host, port, weight, ttl: TTL }) };
  },
  decode({ name, data }, service) {
    const object = readObject(data);
    if (!object.ok) return object;
    const { host, port, weight, priority, text, group, mail } = object.value;
    if (mail === true)
      return rejected(`expected a host and a port, got a mail server, at ${printable(name, 80)}`);
    return instanceFrom({
      service,
      id: idOfName(name),
      host,
      port: portOf(port),
      weight: weightIn(weight) || DEFAULT_WEIGHT,
      metadata: metadataOf({ priority, text, group }),
    });
  },
};
