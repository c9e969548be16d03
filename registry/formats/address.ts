/**
 * A plain `host:port`, as the data or as the name of an entry. It is written as both, so that readers of either find it;
 * read from the data where that is an address, else from the name.
 */
import { describe } from '../../runtime/expected.js';
import { formatHostPort, parseHostPort } from '../../runtime/host-port.js';
import { rejected } from '../../runtime/result.js';
import { isName } from '../instance.js';
import type { Format, FormatOptions } from './format.js';
import { instanceFrom, readText } from './reading.js';
import { isIdle } from './writing.js';

export function address({ entryName }: FormatOptions = {}): Format {
  return {
    name: 'address',
    folder: (service) => service,
    needsData: true,
    nameIsId: false,
    isSequential: false,
    hides: isIdle,
    encode({ id, endpoint }) {
      const text = formatHostPort(endpoint);
      return { name: entryName === 'id' ? id : text, data: Buffer.from(text) };
    },
    decode({ name, data }, service) {
      const text = readText(data);
      if (!text.ok) return text;
      const endpoint = parseHostPort(text.value.trim()) ?? parseHostPort(name);
      if (endpoint === undefined) {
        return rejected(`expected host:port as data or name, got ${describe(text.value || name)}, at entry`);
      }
      // The brackets of an IPv6 address are no part of a name.
      const id = isName(name) ? name : `${endpoint.host}:${endpoint.port}`;
      return instanceFrom({ service, id, ...endpoint });
    },
  };
}
