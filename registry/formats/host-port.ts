/**
 * The pair `["10.0.0.1","8080"]`: what the smallest of home-made registries hold. The port is a text, and an IPv6 address
 * has its brackets, because such readers join the two with a colon and use that. Child names say nothing to them.
 */
import { describe } from '../../runtime/expected.js';
import { type Result, rejected, valid } from '../../runtime/result.js';
import type { Instance } from '../contract.js';
import type { Entry, Format, FormatOptions } from './format.js';
import { instanceFrom, parseJson, portOf, readText } from './reading.js';
import { isIdle, jsonData } from './writing.js';

/** By default the name is `s<port>`: one instance of a service a port, whatever its host. */
export function hostPort({ entryName }: FormatOptions = {}): Format {
  return {
    name: 'host-port',
    folder: (service) => service,
    needsData: true,
    nameIsId: true,
    isSequential: false,
    ...(entryName !== 'id' && { isAnothers }),
    hides: isIdle,
    encode({ id, endpoint: { host, port } }) {
      const name = entryName === 'id' ? id : `s${port}`;
      return { name, data: jsonData([host.includes(':') ? `[${host}]` : host, `${port}`]) };
    },
    decode({ name, data }, service) {
      const pair = readPair(data);
      if (!pair.ok) return pair;
      const [host, port] = pair.value;
      return instanceFrom({ service, id: name, host: withoutBrackets(host), port: portOf(port) });
    },
  };
}

/** Two hosts may have the same port; each of them would take the entry from the other for ever. */
function isAnothers({ data }: Entry, { endpoint }: Instance): boolean {
  const pair = readPair(data);
  return pair.ok && withoutBrackets(pair.value[0]) !== endpoint.host;
}

function readPair(data: Uint8Array | undefined): Result<readonly unknown[], string> {
  const text = readText(data);
  if (!text.ok) return text;
  const value = parseJson(text.value);
  if (Array.isArray(value) && value.length === 2) return valid(value);
  return rejected(`expected a list of host and port, got ${describe(value ?? text.value)}, at entry`);
}

function withoutBrackets(host: unknown): unknown {
  return typeof host === 'string' ? host.replace(/^\[(.*)\]$/, '$1') : host;
}
