/**
 * Apache Curator's service discovery. Java readers bind the payload to a class of theirs and fail for the whole list at one
 * they do not know, so none is written; payloads of others, Spring Cloud's among them, are read into metadata. There is
 * no field for a weight or a drain: an instance that is to get no traffic has no entry.
 */
import type { Result } from '../../runtime/result.js';
import type { Instance } from '../contract.js';
import type { Format } from './format.js';
import { expectService, type Fields, instanceFrom, isObject, portOf, readObject } from './reading.js';
import { fieldsOfTexts, metadataOf } from './text-map.js';
import { isIdle, jsonData } from './writing.js';

/** `payload` and `uriSpec` of the entry to write. */
export type CuratorParts = (instance: Instance) => { readonly payload: unknown; readonly uriSpec: unknown };

/** A format of Curator's layout with something of its own in it. */
export function curatorLike(name: string, parts: CuratorParts): Format {
  return {
    name,
    folder: (service) => service,
    needsData: true,
    // Curator's own sequential nodes have a number after the id.
    nameIsId: false,
    isSequential: false,
    hides: isIdle,
    encode: (instance, writtenAtMs) => ({
      name: instance.id,
      data: jsonData(toCurator(instance, parts(instance), writtenAtMs)),
    }),
    decode({ data }, service) {
      const object = readObject(data);
      return object.ok ? fromCurator(object.value, service) : object;
    },
  };
}

export const curator = curatorLike('curator', () => ({ payload: null, uriSpec: null }));

/** In the order of Curator's own writer. `enabled` is left out as there, because old readers fail on fields they do not know. */
function toCurator(
  { service, id, endpoint }: Instance,
  { payload, uriSpec }: ReturnType<CuratorParts>,
  writtenAtMs: number,
): Fields {
  return {
    name: service,
    id,
    address: endpoint.host,
    port: endpoint.port,
    sslPort: null,
    payload,
    registrationTimeUTC: Math.floor(writtenAtMs),
    serviceType: 'DYNAMIC',
    uriSpec,
  };
}

function fromCurator(object: Fields, service: string): Result<Instance, string> {
  const { name, id, address, port, sslPort, payload, enabled } = object;
  const plain = portOf(port);
  const { instance_status, ...texts } = payloadTexts(payload);
  const read = instanceFrom({
    service: name,
    id,
    host: address,
    port: plain ?? portOf(sslPort),
    ...fieldsOfTexts({ ...texts, ...sslTexts(plain, sslPort) }),
    ...outOfService(enabled, instance_status),
  });
  return read.ok ? expectService(read.value, service) : read;
}

/** An entry with nothing but a secure port is reached there. */
function sslTexts(port: unknown, sslPort: unknown): Fields {
  if (sslPort === null || sslPort === undefined) return {};
  return typeof port === 'number' ? { sslPort } : { scheme: 'https' };
}

/** Absent means enabled; Spring's instances say it in their metadata. */
function outOfService(enabled: unknown, status: unknown): Partial<Pick<Instance, 'status' | 'note'>> {
  if (enabled === false) return { status: 'maintenance', note: 'not enabled' };
  if (status === undefined || status === 'UP') return {};
  return { status: 'maintenance', note: `instance_status ${String(status).slice(0, 100)}` };
}

/** The texts of a payload of whatever class: Spring's are in a map of their own, a plain value has no name. */
function payloadTexts(payload: unknown): Fields {
  if (payload === null || payload === undefined) return {};
  if (!isObject(payload)) return metadataOf({ payload });
  const { metadata, '@class': _class, ...others } = payload;
  if (!isObject(metadata)) return metadataOf(others);
  const { '@class': _mapClass, ...texts } = metadata;
  return metadataOf(texts);
}
