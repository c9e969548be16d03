/** The tables of docs/metrics.md are the metrics that there are, and the expressions below use no others. */
import { describe, expect, test } from 'vitest';
import { EJECTION_REASONS } from '../../resolver/ejection/endpoint-health.js';
import { RESOLVER_METRICS } from '../../resolver/metrics.js';
import { HEALTH_STATES } from '../../sidecar/health.js';
import { SIDECAR_METRICS } from '../../sidecar/metrics.js';
import { CHECK_STATUSES } from '../../sidecar/probes/verdict.js';
import { codeBlocks, codeIn, readDocument, tables } from './markdown.js';

const FILE = 'docs/metrics.md';
const found = tables(readDocument(FILE));
const COLUMNS = ['name', 'type', 'labels', 'unit', 'meaning'];

function metricsOf(heading: string): readonly Record<string, unknown>[] {
  const table = found.find((each) => each.heading === heading && each.columns.join() === COLUMNS.join());
  return (table?.rows ?? []).map(([name = '', type = '', labels = '', unit = '', meaning = '']) => ({
    ...{ name: codeIn(name)[0], type, labels: codeIn(labels), unit, meaning },
  }));
}

test('every metric of the sidecar is in the table, as it is', () => {
  expect(metricsOf('The sidecar').map(({ unit, ...rest }) => rest)).toEqual(
    Object.values(SIDECAR_METRICS).map(({ name, type, labels, help }) => ({
      ...{ name, type, labels, meaning: help },
    })),
  );
});

test('every metric of the resolver is in the table, as it is', () => {
  expect(metricsOf('The resolver')).toEqual(RESOLVER_METRICS);
});

test('units are those that the names end in', () => {
  for (const { name, unit } of [...metricsOf('The sidecar'), ...metricsOf('The resolver')]) {
    expect(String(name).endsWith('_seconds')).toBe(unit === 'seconds');
  }
});

test('the values of labels are all there', () => {
  const table = found.find(({ columns }) => columns.join() === 'label,values');
  const values = new Map(table?.rows.map(([label = '', text = '']) => [label, codeIn(text)]));
  expect(values.get('`result` of a check')).toEqual(CHECK_STATUSES);
  expect(values.get('`state`, `to` of a service')).toEqual(HEALTH_STATES);
});

test('the values of the resolver’s labels are all there', () => {
  const table = found.find(({ columns }) => columns.join() === 'label of the resolver,values');
  const values = new Map(table?.rows.map(([label = '', text = '']) => [label, codeIn(text)]));
  expect(values.get('`reason` of an ejection')).toEqual(EJECTION_REASONS);
});

describe('an expression', () => {
  const metrics = [...Object.values(SIDECAR_METRICS), ...RESOLVER_METRICS];
  const known = new Map(
    metrics.flatMap(({ name, type, labels }) => {
      return namesOf(name, type).map((each) => [each, labels as readonly string[]] as const);
    }),
  );
  const expressions = codeBlocks(FILE).filter(({ language }) => language === 'promql');

  test('is there for both, sidecar and resolver', () => {
    const texts = expressions.map(({ text }) => text).join('');
    expect(texts).toMatch(/pilotfish_registered/);
    expect(texts).toMatch(/pilotfish_resolver_/);
  });

  test.each(expressions)('at $place uses metrics and labels that exist', ({ text }) => {
    const uses = [...text.matchAll(/(pilotfish_\w+)(?:\{(\w+)=~?"([^"]*)"\})?/g)];
    expect(uses.length).toBeGreaterThan(0);
    for (const [, name = '', label] of uses) {
      expect(known.has(name)).toBe(true);
      if (label !== undefined) expect(known.get(name)).toContain(label);
    }
    expect(count(text, '(')).toBe(count(text, ')'));
  });
});

/** A histogram is several series. */
function namesOf(name: string, type: string): readonly string[] {
  return type === 'histogram' ? ['_bucket', '_sum', '_count'].map((suffix) => name + suffix) : [name];
}

function count(text: string, character: string): number {
  return text.split(character).length - 1;
}
