/**
 * Kafka's brokers while it kept them in ZooKeeper, until 4.0. Read only: brokers register themselves. Of several listeners
 * the plain one is the endpoint, else the first; all of them are in the metadata.
 */
import { describe } from '../../runtime/expected.js';
import { type HostPort, parseHostPort } from '../../runtime/host-port.js';
import { rejected } from '../../runtime/result.js';
import type { Format } from './format.js';
import { type Fields, fieldsOf, instanceFrom, readObject } from './reading.js';
import { metadataOf } from './text-map.js';

const MAX_LISTENERS = 32;

interface Listener extends HostPort {
  readonly name: string;
  readonly protocol: string;
}

export const kafka: Format = {
  name: 'kafka',
  folder: () => 'brokers/ids',
  services: ['kafka'],
  needsData: true,
  nameIsId: true,
  isSequential: false,
  decode({ name, data }, service) {
    if (!/^\d{1,10}$/.test(name))
      return rejected(`expected a broker's number, got ${describe(name)}, at name`);
    const object = readObject(data);
    if (!object.ok) return object;
    const {
      host,
      port,
      rack,
      endpoints,
      listener_security_protocol_map: protocols,
      ...others
    } = object.value;
    const listeners = listenersOf(endpoints, fieldsOf(protocols));
    const best = listeners.find(({ protocol }) => protocol === 'PLAINTEXT') ?? listeners[0];
    return instanceFrom({
      service,
      id: name,
      host: best?.host ?? host,
      port: best?.port ?? port,
      ...(typeof rack === 'string' && { zone: rack }),
      metadata: metadataOf({ ...others, ...listenerTexts(listeners) }),
    });
  },
};

/** `NAME://host:port`, each; version 1 has none. Without a map the name is the protocol. */
function listenersOf(endpoints: unknown, protocols: Fields): readonly Listener[] {
  if (!Array.isArray(endpoints)) return [];
  return endpoints.slice(0, MAX_LISTENERS).flatMap((endpoint) => {
    const [, name = '', address = ''] = /^([\w.-]+):\/\/(.+)$/.exec(String(endpoint)) ?? [];
    const parsed = parseHostPort(address);
    if (parsed === undefined) return [];
    return [{ ...parsed, name, protocol: String(protocols[name] ?? name) }];
  });
}

function listenerTexts(listeners: readonly Listener[]): Fields {
  return Object.fromEntries(
    listeners.map(({ name, protocol, host, port }) => [`listener.${name}`, `${protocol} ${host}:${port}`]),
  );
}
