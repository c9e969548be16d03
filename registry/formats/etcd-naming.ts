/**
 * The endpoints of etcd's own gRPC naming: `<target>/<any name>` with `{"Op":0,"Addr":"host:port","Metadata":…}`. Its
 * resolver drops the metadata, which are there for pilotfish's own readers; so an instance that is to get no traffic has
 * no entry.
 */
import { describe } from '../../runtime/expected.js';
import { formatHostPort, parseHostPort } from '../../runtime/host-port.js';
import { rejected } from '../../runtime/result.js';
import { idOfName } from './entry-name.js';
import type { Format } from './format.js';
import { fieldsOf, instanceFrom, readObject } from './reading.js';
import { fieldsOfTexts, textsOf } from './text-map.js';
import { isIdle, jsonData } from './writing.js';

/** The other operation, 1, deletes; it is no endpoint, whoever wrote it. */
const ADD = 0;

export const etcdNaming: Format = {
  name: 'etcd-naming',
  folder: (service) => service,
  needsData: true,
  nameIsId: true,
  isSequential: false,
  hides: isIdle,
  encode(instance) {
    const texts = textsOf(instance);
    const Metadata = Object.keys(texts).length === 0 ? null : texts;
    const update = { Op: ADD, Addr: formatHostPort(instance.endpoint), Metadata };
    return { name: instance.id, data: jsonData(update) };
  },
  decode({ name, data }, service) {
    const object = readObject(data);
    if (!object.ok) return object;
    const { Op = ADD, Addr, Metadata } = object.value;
    if (Op !== ADD) return rejected(`expected ${ADD}, got ${describe(Op)}, at Op`);
    const endpoint = typeof Addr === 'string' ? parseHostPort(Addr) : undefined;
    if (endpoint === undefined) return rejected(`expected host:port, got ${describe(Addr)}, at Addr`);
    const fields = fieldsOfTexts(fieldsOf(Metadata));
    return instanceFrom({ service, id: idOfName(name), ...endpoint, ...fields });
  },
};
