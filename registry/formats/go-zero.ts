/**
 * go-zero's discovery in etcd: `<key>/<number>` with nothing but `host:port` in it. Its readers watch everything below the
 * key and look at no name, so ours is the instance's id. There is no room for a weight or a drain: an instance that is to
 * get no traffic has no entry.
 */
import { formatHostPort, parseHostPort } from '../../runtime/host-port.js';
import { printable } from '../../runtime/printable.js';
import { rejected } from '../../runtime/result.js';
import { idOfName } from './entry-name.js';
import type { Format } from './format.js';
import { instanceFrom, readText } from './reading.js';
import { isIdle } from './writing.js';

export const goZero: Format = {
  name: 'go-zero',
  folder: (service) => service,
  needsData: true,
  nameIsId: true,
  isSequential: false,
  hides: isIdle,
  encode(instance) {
    return { name: instance.id, data: Buffer.from(formatHostPort(instance.endpoint)) };
  },
  decode({ name, data }, service) {
    const text = readText(data);
    if (!text.ok) return text;
    const endpoint = parseHostPort(text.value.trim());
    if (endpoint !== undefined) return instanceFrom({ service, id: idOfName(name), ...endpoint });
    return rejected(`expected host:port, got "${printable(text.value, 80)}", at entry`);
  },
};
