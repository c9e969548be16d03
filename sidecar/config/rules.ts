/**
 * The building blocks of the configuration schema. Each rule's message is the *expected* half of a problem, so that
 * the schema says in one place what is right and how that is called.
 */
import { z } from 'zod';
import { isName, MAX_NAME_LENGTH, MAX_TEXT_LENGTH, NAME_RULE } from '../../registry/instance.js';
import { formatDuration, parseDuration } from '../../runtime/duration.js';

/** A duration as text. Both limits are allowed values. */
export function duration(fromMs: number, toMs: number): z.ZodString {
  const expected = `a duration from ${formatDuration(fromMs)} to ${formatDuration(toMs)}, such as "2s"`;
  return z
    .string({ error: expected })
    .regex(/^\d+(\.\d+)?(ms|s|m|h)$/, expected)
    .refine((text) => within(parseDuration(text), fromMs, toMs), expected);
}

function within(value: number | undefined, from: number, to: number): boolean {
  return value !== undefined && value >= from && value <= to;
}

export function whole(from: number, to: number): z.ZodInt {
  const expected = `a whole number from ${from} to ${to}`;
  return z.int({ error: expected }).min(from, expected).max(to, expected);
}

export function number(from: number, to: number): z.ZodNumber {
  const expected = `a number from ${from} to ${to}`;
  return z.number({ error: expected }).min(from, expected).max(to, expected);
}

export function flag(): z.ZodBoolean {
  return z.boolean({ error: 'true or false' });
}

/** A text that holds something. Numbers are refused: YAML reads an unquoted 1.10 as 1.1. */
export function text(maxLength = MAX_TEXT_LENGTH): z.ZodString {
  const expected = `text of 1 to ${maxLength} characters, in quotes where it looks like a number`;
  return z.string({ error: expected }).min(1, expected).max(maxLength, expected);
}

export function matching(expected: string, isRight: (text: string) => boolean): z.ZodString {
  return z.string({ error: expected }).refine(isRight, expected);
}

export function oneOf<const T extends readonly [string, ...string[]]>(
  values: T,
): z.ZodEnum<{ [K in T[number]]: K }> {
  return z.enum(values, { error: `one of: ${values.join(', ')}` });
}

export function name(): z.ZodString {
  return z
    .string({ error: NAME_RULE })
    .max(MAX_NAME_LENGTH, NAME_RULE)
    .regex(/^[A-Za-z0-9_~:@+=,-][A-Za-z0-9._~:@+=,-]*$/, NAME_RULE)
    .refine(isName, NAME_RULE);
}

/** An object that knows its keys: any other is a problem of its own. */
export function object<const S extends z.ZodRawShape>(shape: S): z.ZodObject<S, z.core.$strict> {
  const keys = `one of: ${Object.keys(shape).join(', ')}`;
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? keys : 'an object'),
  });
}

export function list<T extends z.ZodType>(
  item: T,
  expected: string,
  from: number,
  to: number,
): z.ZodArray<T> {
  const message = `a list of ${from} to ${to} ${expected}`;
  return z.array(item, { error: message }).min(from, message).max(to, message);
}

/** Two forms of one thing. Problems are those of the form that the value looks like; see `problems.ts`. */
export function either<A extends z.ZodType, B extends z.ZodType>(short: A, long: B): z.ZodUnion<[A, B]> {
  return z.union([short, long]);
}
