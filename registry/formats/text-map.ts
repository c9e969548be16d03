/**
 * Maps of texts, which many formats have (labels, metadata, URL parameters) and where an instance's fields travel that
 * the format has no field of its own for. Well known names are used, so that other software understands them too.
 */
import type { Instance } from '../contract.js';
import {
  type InstanceInput,
  isWeight,
  MAX_METADATA_KEYS,
  MAX_NAME_LENGTH,
  MAX_TAGS,
  MAX_TEXT_LENGTH,
} from '../instance.js';
import { type Fields, parseJson } from './reading.js';

/** Marks an entry that pilotfish wrote, and names the instance where the entry's name does not. */
export const ID_KEY = 'pilotfish.id';
const STATUS_KEY = 'pilotfish.status';
const NOTE_KEY = 'pilotfish.note';

export type TextMap = Readonly<Record<string, string>>;

/** The metadata, and beside it what else is to be known of the instance: weight only if it is not 1. */
export function textsOf(instance: Instance): TextMap {
  const { metadata, zone, version, tags, weight, status, note } = instance;
  return {
    ...metadata,
    ...(zone !== undefined && { zone }),
    ...(version !== undefined && { version }),
    ...(tags.length > 0 && { tags: JSON.stringify(tags) }),
    ...(weight !== 1 && { weight: `${weight}` }),
    ...(status === 'warning' && { [STATUS_KEY]: status }),
    ...(note !== undefined && { [NOTE_KEY]: note }),
  };
}

/** What `textsOf` wrote, as fields of an instance; everything else is metadata. */
export function fieldsOfTexts(
  texts: Fields,
): Pick<InstanceInput, 'zone' | 'version' | 'tags' | 'weight' | 'status' | 'note' | 'metadata'> {
  const rest: Record<string, unknown> = { ...texts };
  delete rest[ID_KEY];
  /** Takes a field out of the metadata if it makes sense as what it is called. */
  const take = <T>(key: string, read: (value: unknown) => T | undefined): T | undefined => {
    const value = Object.hasOwn(rest, key) ? read(rest[key]) : undefined;
    if (value !== undefined) delete rest[key];
    return value;
  };
  return {
    zone: take('zone', textIn),
    version: take('version', textIn),
    tags: take('tags', tagsIn),
    weight: take('weight', weightIn),
    status: take(STATUS_KEY, (value) => (value === 'warning' ? value : undefined)),
    note: take(NOTE_KEY, textIn),
    metadata: metadataOf(rest),
  };
}

/**
 * Any fields as metadata: numbers and the like as text, lists and objects as JSON. What is too long is left out, and
 * what comes after as many keys as there may be.
 */
export function metadataOf(fields: Fields): TextMap {
  const metadata: Record<string, string> = Object.create(null);
  let count = 0;
  for (const [key, value] of Object.entries(fields)) {
    if (count === MAX_METADATA_KEYS) break;
    const text = asText(value);
    if (text === undefined || key.length > MAX_NAME_LENGTH) continue;
    metadata[key] = text;
    count++;
  }
  return metadata;
}

/** A weight as a number or as its digits. */
export function weightIn(value: unknown): number | undefined {
  const weight = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return isWeight(weight) ? weight : undefined;
}

function asText(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  return textIn(typeof value === 'object' ? JSON.stringify(value) : `${value}`);
}

function tagsIn(value: unknown): readonly string[] | undefined {
  const tags = typeof value === 'string' ? parseJson(value) : undefined;
  const areTags =
    Array.isArray(tags) && tags.length <= MAX_TAGS && tags.every((tag) => textIn(tag) !== undefined);
  return areTags ? tags : undefined;
}

function textIn(value: unknown): string | undefined {
  return typeof value === 'string' && value.length <= MAX_TEXT_LENGTH ? value : undefined;
}
