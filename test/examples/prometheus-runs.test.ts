/**
 * The Prometheus example with a real Prometheus, a sidecar and real registries: each of its jobs but the one for Consul finds
 * the service, and what docs/prometheus.md says of it is so.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { codeBlocks, readDocument } from '../docs/markdown.js';
import { eventually, Sidecar, ToyService } from '../end-to-end/world.js';
import { runCli } from '../helpers/cli.js';
import { checkPrometheusConfig, Prometheus, type Target } from '../parties/prometheus.js';
import { sharedServer } from '../servers/index.js';
import { freePorts } from '../servers/ports.js';

const SERVICE = `scraped-${process.pid}`;
const ROOT = `/prometheus-${process.pid}`;
/** Debian's Prometheus is built without Consul. */
const JOBS = ['services', 'beside-a-sidecar', 'nerve', 'serverset', 'nerve-path'];

interface Job {
  readonly job_name: string;
}

let folder: string;
let service: ToyService;
let sidecar: Sidecar;
let prometheus: Prometheus;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pilotfish-prometheus-'));
  service = await ToyService.start();
  const [metricsPort] = await freePorts(0);
  const zookeeper = `zookeeper://${sharedServer('zookeeper')}${ROOT}`;
  const registries = [
    ...[`consul://${sharedServer('consul')}`, `${zookeeper}/nerve/services?format=nerve`],
    ...[`${zookeeper}/aurora/jobs?format=serverset`, `${zookeeper}/encoded?format=nerve-path`],
  ];
  sidecar = await Sidecar.startFrom(join(folder, 'sidecar.json'), registries, {
    metrics: `127.0.0.1:${metricsPort}`,
    timeout: '2s',
    services: [{ name: SERVICE, id: 'web-1', port: service.port, probes: ['http:/health'], zone: 'z1' }],
  });
  const example = readDocument('examples/prometheus/prometheus.yml')
    .replaceAll(/\bweb\b/g, SERVICE)
    .replaceAll('sidecar:9464', `127.0.0.1:${metricsPort}`)
    .replaceAll('zookeeper:2181', sharedServer('zookeeper'))
    .replaceAll('[/nerve', `[${ROOT}/nerve`)
    .replaceAll('[/aurora', `[${ROOT}/aurora`)
    .replaceAll('15s', '1s');
  const { scrape_configs: jobs, ...others } = parse(example) as { readonly scrape_configs: readonly Job[] };
  const encoded = { servers: [sharedServer('zookeeper')], paths: [`${ROOT}/encoded/${SERVICE}`] };
  const scrape_configs = [
    ...jobs.filter(({ job_name }) => job_name !== 'consul'),
    { job_name: 'nerve-path', nerve_sd_configs: [encoded] },
  ];
  await writeFile(join(folder, 'prometheus.yml'), stringify({ ...others, scrape_configs }));
  await eventually('it is listed', async () => (await sidecar.get('/readyz')).status === 200);
  prometheus = await Prometheus.start(join(folder, 'prometheus.yml'));
});

afterAll(async () => {
  await prometheus?.stop();
  await sidecar?.terminate();
  await service.die();
  await rm(folder, { recursive: true });
});

/** Resolves with the targets when exactly these jobs have one that is up. */
async function up(...jobs: readonly string[]): Promise<readonly Target[]> {
  let targets: readonly Target[] = [];
  const seen = (): readonly string[] =>
    targets
      .map(({ scrapePool, health, lastError }) => [scrapePool, health, lastError].join(' ').trim())
      .sort();
  const wanted = jobs.map((job) => `${job} up`).sort();
  const isRight = async (): Promise<boolean> => {
    targets = await prometheus.targets();
    return seen().join() === wanted.join();
  };
  await eventually('the targets', isRight, 40_000).catch(() => expect(seen()).toEqual(wanted));
  return targets;
}

test('each job finds the service and scrapes it, with labels that say what it is', async () => {
  const targets = await up(...JOBS);
  const labelsOf = (job: string) => targets.find(({ scrapePool }) => scrapePool === job)?.labels;
  const discovered = (job: string) => targets.find(({ scrapePool }) => scrapePool === job)?.discoveredLabels;
  for (const { discoveredLabels } of targets) {
    expect(discoveredLabels.__address__).toBe(`127.0.0.1:${service.port}`);
  }
  for (const job of ['services', 'beside-a-sidecar']) {
    expect(labelsOf(job)).toEqual({ job, service: SERVICE, instance: 'web-1', zone: 'z1' });
  }
  expect(labelsOf('nerve')).toMatchObject({ instance: 'web-1' });
  expect(discovered('nerve-path')).toMatchObject({ __meta_nerve_endpoint_name: 'web-1' });
  expect(discovered('serverset')).toMatchObject({ __meta_serverset_status: 'ALIVE' });
}, 60_000);

test('none scrapes an instance that is in maintenance, and all do again when it returns', async () => {
  const maintenance = (state: string) => runCli(['maintenance', SERVICE, state, '--admin', sidecar.adminUrl]);
  expect(await maintenance('on')).toMatchObject({ code: 0 });
  await up();
  expect(await maintenance('off')).toMatchObject({ code: 0 });
  await up(...JOBS);
}, 100_000);

test('while the sidecar is away Prometheus keeps what http_sd told, and no more of the registries', async () => {
  await sidecar.terminate();
  await up('services', 'beside-a-sidecar');
}, 60_000);

test.each(codeBlocks('docs/prometheus.md'))(
  'the block at $place is a configuration for Prometheus',
  async (block) => {
    const file = join(folder, 'block.yml');
    await writeFile(file, block.text);
    await checkPrometheusConfig(file);
  },
);
