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
  const zone = textIn(texts.zone);
  const version = textIn(texts.version);
  const tags = tagsIn(texts.tags);
  const weight = weightIn(texts.weight);
  const status = texts[STATUS_KEY] === 'warning' ? 'warning' : undefined;
  const note = textIn(texts[NOTE_KEY]);
  /** A text that makes sense as the field it is called. */
  const isField = (key: string): boolean => {
    switch (key) {
      case ID_KEY:
        return true;
      case STATUS_KEY:
        return status !== undefined;
      case NOTE_KEY:
        return note !== undefined;
      case 'zone':
        return zone !== undefined;
      case 'version':
        return version !== undefined;
      case 'tags':
        return tags !== undefined;
      default:
        return key === 'weight' && weight !== undefined;
    }
  };
  return { zone, version, tags, weight, status, note, metadata: metadataOf(texts, isField) };
}

/** Both, and of two with one name the latter; mostly there is nothing to add. */
export function joined(others: Fields, texts: Fields): Fields {
  for (const _ in others) return { ...others, ...texts };
  return texts;
}

/** Shared by the many entries that have none. */
const NO_TEXTS: TextMap = Object.freeze(Object.create(null));

/**
 * Any fields as metadata: numbers and the like as text, lists and objects as JSON. What is too long is left out, and
 * what comes after as many keys as there may be.
 *
 * @param isOther true for a field that is no metadata
 */
export function metadataOf(fields: Fields, isOther?: (key: string) => boolean): TextMap {
  let metadata: Record<string, string> | undefined;
  let count = 0;
  for (const key of Object.keys(fields)) {
    if (isOther?.(key)) continue;
    if (count === MAX_METADATA_KEYS) break;
    const text = asText(fields[key]);
    if (text === undefined || key.length > MAX_NAME_LENGTH) continue;
    metadata ??= Object.create(null) as Record<string, string>;
    metadata[key] = text;
    count++;
  }
  return metadata ?? NO_TEXTS;
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
