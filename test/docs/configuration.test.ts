/** The tables of docs/configuration.md name every key, flag, variable and parameter that there is, and no other. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { open, REGISTRY_SCHEMES } from '../../registry/open.js';
import { expandProbeText } from '../../sidecar/config/probe-text.js';
import { repeats, SETTINGS } from '../../sidecar/config/settings.js';
import { ROOT } from '../architecture/sources.js';
import { load } from '../helpers/config.js';
import { problemsOf } from '../helpers/problems.js';
import { codeBlocks, codeIn, readDocument, type Table, tables } from './markdown.js';

const FILE = 'docs/configuration.md';
const found = tables(readDocument(FILE));

/** The headings of what several types of probe share. */
const TARGET = '`tcp`, `http`, `grpc` and `udp`';
const HOLD = 'A held connection';

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly const?: string;
}

const schema: Schema = JSON.parse(readFileSync(join(ROOT, 'sidecar/config.schema.json'), 'utf8'));
const service = schema.properties?.services?.items as Schema;
const probes = service.properties?.probes?.items?.anyOf?.[1]?.oneOf as readonly Schema[];

function probe(type: string): Schema {
  return probes.find(({ properties }) => properties?.type?.const === type) as Schema;
}

function table(heading: string): Table {
  const one = found.find((each) => each.heading === heading);
  if (one === undefined) throw new Error(`no table below "${heading}" in ${FILE}`);
  return one;
}

/** The cells of one column, without their backticks. */
function column({ columns, rows }: Table, name: string): readonly string[] {
  const at = columns.indexOf(name);
  if (at === -1) throw new Error(`no column "${name}"`);
  return rows.map((row) => row[at] ?? '');
}

function keysIn(...headings: readonly string[]): readonly string[] {
  return headings.flatMap((heading) => column(table(heading), 'key').flatMap(codeIn)).sort();
}

function keysOf({ properties = {} }: Schema): readonly string[] {
  return Object.keys(properties).sort();
}

describe('every key of the file is in a table', () => {
  const tls = probe('http').properties?.tls?.anyOf?.[1] as Schema;
  test.each<[string, readonly string[], Schema]>([
    ['the top level', ['Top level', 'Schedule'], schema],
    ['a service', ['Services', 'Schedule'], service],
    ['a tcp probe', ['Every probe', TARGET, HOLD, 'Schedule'], probe('tcp')],
    ['an http probe', ['Every probe', TARGET, HOLD, '`http`', 'Schedule'], probe('http')],
    ['a grpc probe', ['Every probe', TARGET, HOLD, '`grpc`', 'Schedule'], probe('grpc')],
    ['a udp probe', ['Every probe', TARGET, '`udp`', 'Schedule'], probe('udp')],
    ['an exec probe', ['Every probe', '`exec`', 'Schedule'], probe('exec')],
    ['a ttl probe', ['Every probe', '`ttl`', 'Schedule'], probe('ttl')],
    ['tls', ['`tls` of `http` and `grpc`'], tls],
  ])('of %s', (_, headings, expected) => {
    expect(keysIn(...headings)).toEqual(keysOf(expected));
  });

  test('and the table says which are required', () => {
    const required = (heading: string) => {
      const [keys, defaults] = [column(table(heading), 'key'), column(table(heading), 'default')];
      return keys.filter((_, i) => defaults[i] === 'required').flatMap(codeIn);
    };
    expect(required('Top level')).toEqual(schema.required);
    expect(required('Services')).toEqual(service.required);
    expect([...required('Every probe'), ...required('`ttl`')]).toEqual(probe('ttl').required);
    expect([...required('Every probe'), ...required('`http`')]).toEqual(probe('http').required);
    expect([...required('Every probe'), ...required('`grpc`')]).toEqual(probe('grpc').required);
    expect([...required('Every probe'), ...required('`udp`')]).toEqual(probe('udp').required);
    expect([...required('Every probe'), ...required('`exec`')]).toEqual(probe('exec').required);
  });
});

describe('to write a default down changes nothing', () => {
  const plain = { name: 'orders', port: 8080 };
  const withProbe = (type: string, fields: object): object => ({
    services: [{ ...plain, probes: [{ type, ...fields }] }],
  });
  test.each<[string, (fields: object) => object]>([
    ['Top level', (fields) => ({ services: [plain], ...fields })],
    ['Schedule', (fields) => ({ services: [plain], ...fields })],
    ['Services', (fields) => ({ services: [{ ...plain, ...fields }] })],
    [TARGET, (fields) => withProbe('tcp', fields)],
    ['`http`', (fields) => withProbe('http', fields)],
    ['`grpc`', (fields) => withProbe('grpc', fields)],
    ['`tls` of `http` and `grpc`', (fields) => withProbe('http', { tls: fields })],
  ])('%s', async (heading, fileWith) => {
    const documented = defaultsIn(heading);
    expect(Object.keys(documented)).not.toEqual([]);
    expect((await load({ file: fileWith(documented) })).config).toEqual(
      (await load({ file: fileWith({}) })).config,
    );
  });

  test('a ttl probe rises and falls at once, whatever is said further out', async () => {
    const services = [{ name: 'orders', port: 8080, rise: 5, fall: 5, probes: ['ttl:10s'] }];
    const { config } = await load({ file: { rise: 4, fall: 4, services } });
    expect(config.services[0]?.probes[0]).toMatchObject({ rise: 1, fall: 1 });
  });
});

/** The keys of a table whose default is a value in backticks, each with that value. */
function defaultsIn(heading: string): Readonly<Record<string, unknown>> {
  const [keys, defaults] = [column(table(heading), 'key'), column(table(heading), 'default')];
  const entries = keys.flatMap((key, i) => {
    const [value] = codeIn(defaults[i] ?? '').map(literal);
    const name = codeIn(key)[0] as string;
    if (value === undefined) return [];
    return [[name, name === 'probes' ? [value] : value]];
  });
  return Object.fromEntries(entries);
}

function literal(text: string): unknown {
  return /^([\d.]+|true|false|""|[[{].*)$/.test(text) ? parse(text) : text;
}

test('the short forms of probes are what they say', () => {
  for (const [short = '', long = ''] of table('Probes').rows.map((row) => row.flatMap(codeIn))) {
    expect(expandProbeText(short)).toEqual(parse(long));
  }
});

test('the full example uses every key of the file', () => {
  const [example] = codeBlocks(FILE);
  for (const key of new Set([schema, service, ...probes].flatMap(keysOf))) {
    if (['host', 'resolve'].includes(key)) continue;
    expect(example?.text).toMatch(new RegExp(`\\b${key}:`));
  }
});

describe('flags and environment', () => {
  const [settings, more] = found.filter(({ heading }) => heading === 'Flags and environment') as [
    Table,
    Table,
  ];

  test('every setting is in the table, in the order of the help, with its variable, key and repetition', () => {
    const rows = settings.rows.map(([flag = '', env = '', key = '', repeated = '']) => [
      ...[codeIn(flag)[0], codeIn(env)[0], codeIn(key)[0], repeated],
    ]);
    expect(rows).toEqual(
      SETTINGS.map((setting) => [
        ...[`--${setting.flag}`, setting.env],
        ...[setting.scope === 'service' ? `services[].${setting.key}` : setting.key],
        ...[repeats(setting) ? 'yes' : ''],
      ]),
    );
  });

  test('the other flags of the command are in the second table', async () => {
    const { command } = await import('../../cli/commands/sidecar.js');
    const known = [...command.help.matchAll(/^ {2}(--[a-z-]+)/gm)].map((match) => match[1]);
    const documented = [...settings.rows, ...more.rows].map(([flag = '']) => codeIn(flag)[0]?.split(' ')[0]);
    expect(documented).toEqual(known);
  });

  test('the table of the README says the same', () => {
    const [short] = tables(readDocument('README.md')).filter(({ columns }) => columns[0] === 'flag');
    const full = new Map(settings.rows.map((row) => [row[0], row]));
    const defaults = { ...defaultsIn('Top level'), ...defaultsIn('Services'), ...defaultsIn('Schedule') };
    expect(short?.rows.length).toBeGreaterThan(10);
    for (const [flag = '', env, key = '', value = ''] of short?.rows ?? []) {
      expect([flag, env, codeIn(key)[0]]).toEqual([
        ...(full.get(flag)?.slice(0, 2) ?? []),
        codeIn(full.get(flag)?.[2] ?? '')[0],
      ]);
      const name = codeIn(key)[0]?.replace('services[].', '') ?? '';
      for (const text of codeIn(value)) expect(literal(text)).toEqual([defaults[name]].flat()[0]);
    }
  });
});

describe('registry URLs', () => {
  const [forms, params] = found.filter(({ heading }) => heading === 'Registry URLs') as [Table, Table];
  const documented = (scheme: string): readonly string[] =>
    params.rows.filter(([name = '']) => codeIn(name)[0] === scheme).flatMap(([, name = '']) => codeIn(name));

  test('every scheme is there', () => {
    expect(column(forms, 'scheme').flatMap(codeIn)).toEqual(REGISTRY_SCHEMES);
  });

  test.each([
    ['local', 'local:'],
    ['zookeeper', 'zookeeper://127.0.0.1'],
    ['consul', 'consul://127.0.0.1'],
    ['etcd', 'etcd://127.0.0.1'],
    ['static', 'static:x.json'],
  ])('every parameter of %s is there, and no other', async (scheme, url) => {
    const [line = ''] = await problemsOf(open(`${url}?nothing=1`));
    const [, known = ''] = /^expected one of: (.+), got "nothing"/.exec(line) ?? [];
    expect(documented(scheme)).toEqual(known.split(', '));
  });
});
