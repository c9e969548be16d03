/**
 * From zod's issues to our one form of problem, *expected X, got Y, at path*. A rule's message is already the expected
 * half (`rules.ts`); what was there is looked up in the input, unless it may be a secret.
 */
import type { z } from 'zod';
import { describe, type Problem } from '../../runtime/expected.js';
import { printable } from '../../runtime/printable.js';

type Issue = z.core.$ZodIssue;
export type Path = readonly PropertyKey[];

/** What is wrong at a path: the value there, or its key. */
interface Wrong {
  readonly path: Path;
  readonly expected: string;
  readonly what: 'value' | 'key';
}

/** Every issue of a failed parse of `input`, the first at each path. `label` writes a path down for the reader. */
export function problemsOf(
  issues: readonly Issue[],
  input: unknown,
  label: (path: Path) => string,
): readonly Problem[] {
  const problems = new Map<string, Problem>();
  for (const wrong of issues.flatMap((issue) => wrongsOf(issue, []))) {
    const path = label(wrong.path);
    if (!problems.has(path)) problems.set(path, { path, expected: wrong.expected, got: got(wrong, input) });
  }
  return [...problems.values()];
}

/** `services[0].probes[1].timeout`; the whole input is `configuration`. */
export function formatPath(path: Path): string {
  const text = path.map(formatStep).join('').replace(/^\./, '');
  return text === '' ? 'configuration' : text;
}

/** One step of a path, to be put behind another. */
export function formatStep(step: PropertyKey): string {
  if (typeof step === 'number') return `[${step}]`;
  const key = printable(String(step), 80);
  return /^[\w-]+$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}

function wrongsOf(issue: Issue, parent: Path): readonly Wrong[] {
  const path = [...parent, ...issue.path];
  const { message: expected } = issue;
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: [...path, key], expected, what: 'key' }));
  }
  if (issue.code === 'invalid_key') {
    return [{ path, expected: issue.issues[0]?.message ?? expected, what: 'key' }];
  }
  if (issue.code === 'invalid_union' && issue.errors.length > 0) return wrongsOfUnion(issue.errors, path);
  return [{ path, expected, what: 'value' }];
}

/** The issues of the form that the value looks like, or of all forms when it looks like none. */
function wrongsOfUnion(forms: readonly (readonly Issue[])[], path: Path): readonly Wrong[] {
  const alike = forms.find((issues) => !issues.some(isOtherType));
  if (alike !== undefined) return alike.flatMap((issue) => wrongsOf(issue, path));
  const expected = new Set(forms.flatMap((issues) => issues.map((issue) => issue.message)));
  return [{ path, expected: [...expected].join(' or '), what: 'value' }];
}

function isOtherType(issue: Issue): boolean {
  return issue.code === 'invalid_type' && issue.path.length === 0;
}

function got({ path, what }: Wrong, input: unknown): string {
  if (what === 'key') return describe(String(path.at(-1)));
  const value = path.reduce<unknown>(child, input);
  return mayBeSecret(path, value) ? 'another value, not shown' : describe(value);
}

/** Header values hold tokens, and a URL with an @ most likely holds a password. */
function mayBeSecret(path: Path, value: unknown): boolean {
  if (path.includes('headers')) return typeof value !== 'object';
  return typeof value === 'string' && /:\/\/.*@/.test(value);
}

function child(value: unknown, step: PropertyKey): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
  return (value as Record<PropertyKey, unknown>)[step];
}
