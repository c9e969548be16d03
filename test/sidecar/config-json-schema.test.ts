/** The schema for editors is up to date and agrees with the one that validates. */
import { readFile } from 'node:fs/promises';
import { Ajv } from 'ajv';
import { describe, expect, test } from 'vitest';
import { configJsonSchema } from '../../sidecar/config/json-schema.js';
import { problemsOf } from '../helpers/config.js';

const FILE = '../../sidecar/config.schema.json';

test('config.schema.json is what the schema says; `-u` writes it anew', async () => {
  await expect(`${JSON.stringify(configJsonSchema(), undefined, 2)}\n`).toMatchFileSnapshot(FILE);
});

describe('an editor accepts and refuses what the sidecar does', () => {
  const orders = { name: 'orders', port: 8080 };
  test.each([
    [true, { services: [orders] }],
    [true, { registry: ['local:'], services: [{ ...orders, probes: ['tcp', { type: 'http', tls: true }] }] }],
    [false, {}],
    [false, { services: [] }],
    [false, { services: [{ ...orders, intervall: '2s' }] }],
    [false, { services: [{ ...orders, port: 0 }] }],
    [false, { services: [{ ...orders, interval: 5 }] }],
    [true, { services: [{ ...orders, probes: ['grpc', { type: 'udp', send: 'a', expect: 'hex:00' }] }] }],
    [
      true,
      { enableExecProbe: true, services: [{ ...orders, probes: [{ type: 'exec', command: ['a', 'b'] }] }] },
    ],
    [false, { services: [{ ...orders, probes: [{ type: 'dns' }] }] }],
    [false, { services: [{ ...orders, probes: [{ type: 'udp', send: 'a' }] }] }],
    [false, { enableExecProbe: true, services: [{ ...orders, probes: [{ type: 'exec', command: [] }] }] }],
  ])('%s: %j', async (isRight, file) => {
    const schema = JSON.parse(await readFile(new URL(FILE, import.meta.url), 'utf8')) as object;
    expect(new Ajv({ strict: false }).validate(schema, file)).toBe(isRight);
    expect((await problemsOf({ file })).length === 0).toBe(isRight);
  });
});
