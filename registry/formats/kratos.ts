/**
 * Kratos' registry: `<namespace>/<service>/<id>` with the instance as JSON, whose endpoints are URLs. Its clients look for
 * one scheme and take any URL of it; a weight that is no whole number they ignore. Whatever they find they send traffic to,
 * so an instance that is to get none has no entry.
 */
import { describe } from '../../runtime/expected.js';
import { formatHostPort, type HostPort, parseHostPort } from '../../runtime/host-port.js';
import { rejected } from '../../runtime/result.js';
import { idOfName } from './entry-name.js';
import type { Format, FormatOptions } from './format.js';
import { fieldsOf, instanceFrom, readObject } from './reading.js';
import { fieldsOfTexts, textsOf } from './text-map.js';
import { isIdle, jsonData } from './writing.js';

const DEFAULT_SCHEME = 'http';
const MAX_ENDPOINTS = 32;

/** @param scheme of the endpoint to write and to read; without it `http` is written, and `http` or else the first is read. */
export function kratos({ scheme }: FormatOptions = {}): Format {
  return {
    name: 'kratos',
    folder: (service) => service,
    needsData: true,
    nameIsId: true,
    isSequential: false,
    hides: isIdle,
    encode(instance) {
      const { id, service: name, endpoint, version = '', weight } = instance;
      const { version: _version, ...texts } = textsOf(instance);
      const metadata = { ...texts, weight: `${Math.max(1, Math.round(weight))}` };
      const endpoints = [`${scheme ?? DEFAULT_SCHEME}://${formatHostPort(endpoint)}`];
      return { name: id, data: jsonData({ id, name, version, metadata, endpoints }) };
    },
    decode({ name: entry, data }, service) {
      const object = readObject(data);
      if (!object.ok) return object;
      const { name, version, metadata, endpoints } = object.value;
      if (name !== service) return rejected(`expected "${service}", got ${describe(name)}, at name`);
      const endpoint = chosen(endpoints, scheme);
      if (endpoint === undefined) {
        const wanted = `the URL of an endpoint${scheme === undefined ? '' : ` with ${scheme}:`}`;
        return rejected(`expected ${wanted}, got ${describe(endpoints)}, at endpoints`);
      }
      return instanceFrom({
        service,
        id: idOfName(entry),
        ...endpoint,
        ...fieldsOfTexts(fieldsOf(metadata)),
        ...(typeof version === 'string' && version !== '' && { version }),
      });
    },
  };
}

function chosen(endpoints: unknown, scheme: string | undefined): HostPort | undefined {
  const found = endpointsOf(endpoints);
  const wanted = found.find((endpoint) => endpoint.scheme === (scheme ?? DEFAULT_SCHEME));
  return (wanted ?? (scheme === undefined ? found[0] : undefined))?.endpoint;
}

/** Those that are URLs with a port, in order. */
function endpointsOf(value: unknown): readonly { readonly scheme: string; readonly endpoint: HostPort }[] {
  if (!Array.isArray(value)) return [];
  return value.slice(0, MAX_ENDPOINTS).flatMap((text) => {
    const [, scheme, authority] = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]+)/.exec(String(text)) ?? [];
    const endpoint = parseHostPort(authority ?? '');
    return scheme === undefined || endpoint === undefined ? [] : [{ scheme, endpoint }];
  });
}
